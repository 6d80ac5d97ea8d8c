//! Decoders of binary data: gzip, zlib, raw deflate, zip members, multipart bodies.

use flate2::{Decompress, FlushDecompress, Status};

/// Places per blob where a stream is tried.
const TRIES: usize = 16;
const PARTS: usize = 64;

/// What was unpacked.
pub(super) struct Unpacked {
    /// Layer name.
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Everything that can be unpacked from `bytes`: streams found by their magic anywhere, zlib and raw deflate at the
/// start. At most `room` bytes are produced in all; the second value tells whether that was too little.
pub(super) fn unpack(bytes: &[u8], room: usize) -> (Vec<Unpacked>, bool) {
    let mut found = Vec::new();
    let mut left = room;
    let mut short = false;
    let mut take = |name, skip: usize, raw: bool, least: usize| {
        let Some((out, end)) = inflate(bytes.get(skip..).unwrap_or_default(), !raw, left) else {
            return;
        };
        short |= end == End::Room;
        if out.len() >= least {
            left -= out.len();
            found.push(Unpacked { name, bytes: out });
        }
    };
    if is_zlib(bytes) {
        take("zlib", 0, false, 8);
    }
    for (at, magic) in magics(bytes) {
        match magic {
            Magic::Gzip => take("gzip", at, true, 1),
            Magic::Zip => take("zip", at, true, 1),
            Magic::Zlib => take("zlib", at, false, 12),
        }
    }
    if found.is_empty() && bytes.len() >= 12 && !super::text::is_text(bytes) {
        let least = (bytes.len() / 2).max(12);
        if let Some((out, end)) = inflate(bytes, false, room)
            && out.len() >= least
            && (end != End::Fault || super::text::is_text(&out) || bytes.len() > 64)
        {
            short |= end == End::Room;
            found.push(Unpacked {
                name: "deflate",
                bytes: out,
            });
        }
    }
    (found, short)
}

/// The bodies of a multipart message, if it is one.
pub(super) fn multipart(bytes: &[u8]) -> Vec<&[u8]> {
    let Some(rest) = bytes.strip_prefix(b"--") else {
        return Vec::new();
    };
    let length = rest
        .iter()
        .take(80)
        .take_while(|b| !b.is_ascii_whitespace())
        .count();
    if length == 0 || !rest[length..].starts_with(b"\r\n") {
        return Vec::new();
    }
    let boundary = &bytes[..length + 2];
    let starts: Vec<usize> = find_all(bytes, boundary).take(PARTS).collect();
    let ends = starts[1..].iter().copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| {
            let part = &bytes[start + boundary.len()..end];
            let head = find_all(part, b"\r\n\r\n").next()?;
            Some(part[head + 4..].trim_ascii_end())
        })
        .collect()
}

/// Whether the first two bytes are a zlib header.
pub(super) fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [cmf, flags, ..] if cmf & 0x0f == 8 && cmf >> 4 <= 7 && flags & 0x20 == 0
        && (u16::from(*cmf) << 8 | u16::from(*flags)) % 31 == 0)
}

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// By itself.
    Clean,
    /// There was no more room for its output.
    Room,
    /// It broke or was cut.
    Fault,
}

/// Inflates until the stream ends, breaks or `room` is full. What came out before a fault is kept.
fn inflate(bytes: &[u8], zlib: bool, room: usize) -> Option<(Vec<u8>, End)> {
    let mut stream = Decompress::new(zlib);
    let mut out = Vec::with_capacity((bytes.len() * 4).clamp(256, 1 << 16).min(room.max(1)));
    loop {
        if out.len() >= room {
            out.truncate(room);
            return Some((out, End::Room));
        }
        if out.capacity() == out.len() {
            out.reserve(out.len().max(256));
        }
        let used = usize::try_from(stream.total_in()).ok()?;
        let before = out.len();
        let status = stream.decompress_vec(bytes.get(used..)?, &mut out, FlushDecompress::None);
        let stuck = out.len() == before && stream.total_in() as usize == used;
        match status {
            Ok(Status::StreamEnd) => return Some((out, End::Clean)),
            Ok(_) if !stuck => {}
            _ if out.is_empty() => return None,
            _ => return Some((out, End::Fault)),
        }
    }
}

/// Length of a gzip header.
fn gzip_header(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    if flags & 0xe0 != 0 {
        return None;
    }
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16::from_le_bytes([*bytes.get(10)?, *bytes.get(11)?]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            at += bytes.get(at..)?.iter().position(|b| *b == 0)? + 1;
        }
    }
    Some(at + if flags & 2 != 0 { 2 } else { 0 })
}

/// Where a deflated zip member's data starts.
fn zip_member(bytes: &[u8]) -> Option<usize> {
    let field = |at: usize| {
        Some(usize::from(u16::from_le_bytes([
            *bytes.get(at)?,
            *bytes.get(at + 1)?,
        ])))
    };
    (field(8)? == 8).then_some(30 + field(26)? + field(28)?)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Magic {
    Gzip,
    Zip,
    Zlib,
}

/// Where packed data seems to start after a header of its kind, the first few of each.
fn magics(bytes: &[u8]) -> Vec<(usize, Magic)> {
    let mut found = Vec::new();
    let mut tries = [TRIES; 3];
    for (at, pair) in bytes.windows(2).enumerate() {
        let (kind, data) = match pair {
            [0x1f, 0x8b] if bytes.get(at + 2) == Some(&8) => {
                (Magic::Gzip, gzip_header(&bytes[at..]))
            }
            b"PK" if bytes[at + 2..].starts_with(b"\x03\x04") => {
                (Magic::Zip, zip_member(&bytes[at..]))
            }
            [0x78, 0x9c | 0xda] if at > 0 => (Magic::Zlib, Some(0)),
            _ => continue,
        };
        let left = &mut tries[kind as usize];
        if let Some(data) = data.filter(|_| *left > 0) {
            *left -= 1;
            found.push((at + data, kind));
        }
    }
    found
}

fn find_all<'a>(bytes: &'a [u8], what: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = what.first().copied();
    let begins = move |at: &usize| Some(bytes[*at]) == first && bytes[*at..].starts_with(what);
    (0..bytes.len()).filter(begins)
}
