//! Debian packages: an `ar` archive of `debian-binary`, `control.tar.*` and `data.tar.*`. Control files are entries
//! below `DEBIAN/`, as the format's own tool unpacks them.

use std::cell::Cell;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::collect::Collector;
use crate::gzip;
use crate::meter::{Counted, Meter};
use crate::part::{self, Part};
use crate::tar;

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;
/// Most members that are read; a package has three.
const MEMBERS: usize = 64;
/// Most memory a decompressor may ask for, KiB: what the format's own tools use at their strongest setting, twice.
const MEMORY_KIB: u32 = 128 << 10;
/// The same for zstd, as the binary logarithm of its window in bytes.
const WINDOW_LOG: u32 = 27;

/// Whether a file begins as a Debian package does.
pub(crate) fn begins(start: &[u8]) -> bool {
    start.strip_prefix(MAGIC).is_some_and(|rest| {
        Header::parse(rest).is_some_and(|header| header.name == b"debian-binary")
    })
}

struct Header {
    name: Vec<u8>,
    size: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        if !bytes.ends_with(b"`\n") {
            return None;
        }
        let name = bytes[..16].trim_ascii_end();
        let name = name.strip_suffix(b"/").unwrap_or(name).to_vec();
        let size = std::str::from_utf8(bytes[48..58].trim_ascii()).ok()?;
        let size = size.parse().ok()?;
        Some(Self { name, size })
    }
}

/// Reads every member of the package in `file`.
pub(crate) fn walk<F: BufRead + Seek>(
    file: &mut F,
    length: u64,
    meter: &Meter<'_>,
    out: &mut Collector<'_>,
) {
    if let Err(error) = members(file, length, meter, out) {
        tar::report(out, b"", &error);
    }
}

fn members<F: BufRead + Seek>(
    file: &mut F,
    length: u64,
    meter: &Meter<'_>,
    out: &mut Collector<'_>,
) -> io::Result<()> {
    let mut at = MAGIC.len() as u64;
    let mut names: Vec<Vec<u8>> = Vec::new();
    while at < length {
        if names.len() == MEMBERS {
            let detail = "too many members; the rest was not read";
            out.unread("entry-limit", b"", detail);
            return Ok(());
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        let Some(header) = Header::parse(&header) else {
            out.unread("bad-header", b"", "a member's header is malformed");
            return Ok(());
        };
        if names.contains(&header.name) {
            let detail = "the member occurs again; readers disagree on which one counts";
            out.anomaly("duplicate-entry", &header.name, detail);
        }
        at += HEADER as u64;
        member(file, at, &header, meter, out)?;
        at = at.saturating_add(header.size);
        at = at.saturating_add(at % 2);
        names.push(header.name);
    }
    if at > length.saturating_add(1) {
        let detail = "the file ends inside a member";
        out.unread("truncated-archive", b"", detail);
    }
    Ok(())
}

fn member<F: BufRead + Seek>(
    file: &mut F,
    at: u64,
    header: &Header,
    meter: &Meter<'_>,
    out: &mut Collector<'_>,
) -> io::Result<()> {
    let first = out.entries().len();
    let mut content = None;
    let packing = header.name.strip_prefix(b"control.tar");
    let (packing, folder) = match packing {
        Some(packing) => (Some(packing), "DEBIAN/"),
        None => (header.name.strip_prefix(b"data.tar"), ""),
    };
    match packing {
        Some(packing) => {
            out.below(folder);
            walk_tar(&mut *file, packing, header, meter, out);
            out.below("");
        }
        None => content = part::small(file.by_ref().take(header.size))?,
    }
    let entries = first..out.entries().len();
    let name = header.name.as_slice().into();
    let part = Part::read(file, name, (at, header.size), entries)?;
    out.part(Part { content, ..part });
    Ok(())
}

fn walk_tar<F: BufRead>(
    file: &mut F,
    packing: &[u8],
    header: &Header,
    meter: &Meter<'_>,
    out: &mut Collector<'_>,
) {
    let packed = Cell::new(0);
    let source = Counted::new(file.take(header.size), &packed);
    let mut tail = None;
    let unpacked: Box<dyn Read + '_> = match packing {
        b"" => Box::new(source),
        b".gz" => {
            let (members, behind) = gzip::Members::new(source);
            tail = Some(behind);
            Box::new(members)
        }
        b".xz" => Box::new(lzma_rust2::XzReader::new_mem_limit(
            source, true, MEMORY_KIB,
        )),
        b".zst" => match zstd_reader(source) {
            Ok(reader) => Box::new(reader),
            Err(error) => return tar::report(out, &header.name, &error),
        },
        _ => {
            let detail = "the compression of this member is not understood";
            return out.unread("unknown-method", &header.name, detail);
        }
    };
    tar::walk(&mut meter.watch(unpacked, || packed.get()), out);
    if let Some(tail) = tail {
        tail.report(out);
    }
}

fn zstd_reader<'a, R: BufRead + 'a>(source: R) -> io::Result<impl Read + 'a> {
    let mut reader = zstd::Decoder::with_buffer(source)?;
    reader.window_log_max(WINDOW_LOG)?;
    Ok(reader)
}
