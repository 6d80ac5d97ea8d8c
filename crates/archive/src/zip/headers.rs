//! The records of a zip file, read field by field.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::collect::Collector;

const END: &[u8; 4] = b"PK\x05\x06";
const END64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR64: &[u8; 4] = b"PK\x06\x07";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";
const END_LENGTH: usize = 22;
const ZIP64: u16 = 1;
/// Flag: sizes and checksum follow the content.
const STREAMED: u16 = 1 << 3;

/// Where the central directory is.
pub(crate) struct Directory {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(crate) entries: u64,
    /// To be added to the offsets in it, because something was put before the archive.
    pub(super) shift: u64,
}

/// One record of the central directory.
pub(super) struct Central {
    pub(super) name: Vec<u8>,
    pub(super) unix: bool,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) attributes: u32,
    pub(super) offset: u64,
    /// Length of the record, bytes.
    pub(super) length: u64,
}

/// The header in front of an entry's content.
pub(super) struct Local {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    /// Length of the header, bytes.
    pub(super) length: u64,
}

/// Position of the last end record in the last 64 KiB of the file, if there is one.
pub(crate) fn find_end<F: Read + Seek>(file: &mut F, length: u64) -> io::Result<Option<u64>> {
    let from = length.saturating_sub(END_LENGTH as u64 + 0xffff);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(length - from).read_to_end(&mut tail)?;
    Ok(tail
        .windows(END_LENGTH)
        .rposition(|window| window.starts_with(END))
        .map(|at| from + at as u64))
}

impl Directory {
    /// Finds the central directory; `None` (and an anomaly) if there is none.
    pub(crate) fn find<F: BufRead + Seek>(
        file: &mut F,
        length: u64,
        out: &mut Collector<'_>,
    ) -> io::Result<Option<Self>> {
        let Some(at) = find_end(file, length)? else {
            out.unread("truncated-archive", b"", "the central directory is missing");
            return Ok(None);
        };
        let record: [u8; END_LENGTH] = read_at(file, at)?;
        let mut entries = u64::from(u16_at(&record, 10));
        let mut size = u64::from(u32_at(&record, 12));
        let mut offset = u64::from(u32_at(&record, 16));
        let after = at + END_LENGTH as u64 + u64::from(u16_at(&record, 20));
        if after < length {
            let detail = format!("{} bytes follow the archive", length - after);
            out.anomaly("suffix-data", b"", detail);
        } else if after > length {
            out.anomaly("directory-mismatch", b"", "the archive's comment is cut");
        }
        let mut end = at;
        if let Some((at64, record)) = end64(file, at)? {
            entries = u64_at(&record, 32);
            size = u64_at(&record, 40);
            offset = u64_at(&record, 48);
            end = at64;
        }
        let Some(start) = end.checked_sub(size) else {
            out.unread(
                "corrupt-archive",
                b"",
                "the central directory is larger than the file",
            );
            return Ok(None);
        };
        let shift = start.checked_sub(offset);
        match shift {
            Some(0) => {}
            Some(bytes) => {
                let detail = format!("{bytes} bytes precede the archive");
                out.anomaly("prefix-data", b"", detail);
            }
            None => out.anomaly(
                "directory-mismatch",
                b"",
                "the central directory is not where it should be",
            ),
        }
        Ok(Some(Self {
            start,
            end,
            entries,
            shift: shift.unwrap_or(0),
        }))
    }
}

/// The 64-bit end record, if its locator stands in front of the end record at `end`.
fn end64<F: BufRead + Seek>(file: &mut F, end: u64) -> io::Result<Option<(u64, [u8; 56])>> {
    let Some(at) = end.checked_sub(20) else {
        return Ok(None);
    };
    let locator: [u8; 20] = read_at(file, at)?;
    if !locator.starts_with(LOCATOR64) {
        return Ok(None);
    }
    // As clients do: the record stands right before its locator, whatever prefix the file has.
    let Some(at) = at.checked_sub(56) else {
        return Ok(None);
    };
    let record: [u8; 56] = read_at(file, at)?;
    Ok(record.starts_with(END64).then_some((at, record)))
}

impl Central {
    /// Reads the record at `at`.
    pub(super) fn read<F: BufRead + Seek>(file: &mut F, at: u64) -> io::Result<Self> {
        let fixed: [u8; 46] = read_at(file, at)?;
        if !fixed.starts_with(CENTRAL) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a record of the central directory is damaged",
            ));
        }
        let name = read_vec(file, u16_at(&fixed, 28))?;
        let extra = read_vec(file, u16_at(&fixed, 30))?;
        let comment = u64::from(u16_at(&fixed, 32));
        let mut central = Self {
            unix: fixed[5] == 3,
            flags: u16_at(&fixed, 8),
            method: u16_at(&fixed, 10),
            crc: u32_at(&fixed, 16),
            packed: u32_at(&fixed, 20).into(),
            size: u32_at(&fixed, 24).into(),
            attributes: u32_at(&fixed, 38),
            offset: u32_at(&fixed, 42).into(),
            length: 46 + name.len() as u64 + extra.len() as u64 + comment,
            name,
        };
        widen(
            &extra,
            &mut [&mut central.size, &mut central.packed, &mut central.offset],
        );
        Ok(central)
    }
}

impl Local {
    /// Reads the header at `at`; `None` if there is none.
    pub(super) fn read<F: BufRead + Seek>(file: &mut F, at: u64) -> io::Result<Option<Self>> {
        let fixed = match read_at::<F, 30>(file, at) {
            Ok(fixed) if fixed.starts_with(LOCAL) => fixed,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let name = read_vec(file, u16_at(&fixed, 26))?;
        let extra = read_vec(file, u16_at(&fixed, 28))?;
        let mut local = Self {
            flags: u16_at(&fixed, 6),
            method: u16_at(&fixed, 8),
            crc: u32_at(&fixed, 14),
            packed: u32_at(&fixed, 18).into(),
            size: u32_at(&fixed, 22).into(),
            length: 30 + name.len() as u64 + extra.len() as u64,
            name,
        };
        widen(&extra, &mut [&mut local.size, &mut local.packed]);
        Ok(Some(local))
    }

    /// What it states otherwise than the central directory, in words.
    pub(super) fn differences(&self, central: &Central) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        if self.name != central.name {
            let mut detail = b"the local header names ".to_vec();
            detail.extend_from_slice(&self.name[..self.name.len().min(1024)]);
            found.push(detail);
        }
        if self.method != central.method {
            found.push(b"the local header states another compression method".to_vec());
        }
        if (self.flags ^ central.flags) & 1 != 0 {
            found.push(b"only one header says the content is encrypted".to_vec());
        }
        let sizes =
            (self.packed, self.size, self.crc) == (central.packed, central.size, central.crc);
        if self.flags & STREAMED == 0 && !sizes {
            found.push(b"the local header states another size or checksum".to_vec());
        }
        found
    }
}

/// Takes the 64-bit values from the extra field for those fields that are all ones.
fn widen(mut extra: &[u8], fields: &mut [&mut u64]) {
    while let [a, b, c, d, rest @ ..] = extra {
        let id = u16::from_le_bytes([*a, *b]);
        let length = usize::from(u16::from_le_bytes([*c, *d])).min(rest.len());
        let (value, next) = rest.split_at(length);
        if id == ZIP64 {
            let mut values = value.chunks_exact(8);
            for field in fields
                .iter_mut()
                .filter(|field| ***field == u64::from(u32::MAX))
            {
                let Some(value) = values.next() else { break };
                **field = u64_at(value, 0);
            }
            return;
        }
        extra = next;
    }
}

fn read_at<F: Read + Seek, const N: usize>(file: &mut F, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_vec<F: Read>(file: &mut F, length: u16) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length.into()];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Little-endian numbers at constant places of fixed-size records, which every caller has checked to be
/// long enough.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
