//! Tar, block by block. The `tar` crate decodes headers; the walk is ours, because clients read on where its
//! iterator stops: a bad header or a lone zero block must not hide what follows.

use std::io::{self, Read};

use apa_model::Hostile;
use tar::{Header, PaxExtensions};

use crate::collect::{Collector, Head};
use crate::meter::Stop;
use crate::tree::EntryKind;

const BLOCK: usize = 512;
/// Largest extension header (long name, PAX records), bytes.
const EXTENSION: u64 = 1 << 20;

/// Whether `block` is a tar header with a valid checksum.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else {
        return false;
    };
    let header = Header::from_byte_slice(block);
    let sum: u32 = block[..148]
        .iter()
        .chain(&block[156..])
        .map(|byte| u32::from(*byte))
        .sum::<u32>()
        + 8 * 32;
    block.iter().any(|byte| *byte != 0) && header.cksum().is_ok_and(|stated| stated == sum)
}

/// What extension headers say about the next entry.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
    records: Vec<(Hostile, Hostile)>,
}

/// How a tar stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the end-of-archive blocks.
    Marked,
    /// Without them, between two entries.
    Missing,
    /// Before its end.
    Failed,
}

/// Reads every entry of `reader` into `out`.
pub(crate) fn walk(reader: &mut dyn Read, out: &mut Collector<'_>) {
    if walk_section(reader, out) == End::Missing {
        out.anomaly(
            "no-end-marker",
            b"",
            "the end-of-archive blocks are missing",
        );
    }
}

/// Reads every entry of a stream that need not have the end-of-archive blocks.
pub(crate) fn walk_section(reader: &mut dyn Read, out: &mut Collector<'_>) -> End {
    let mut walk = Walk {
        reader,
        out,
        at: 0,
        extensions: Extensions::default(),
    };
    match walk.run() {
        Ok(end) => end,
        Err(error) => {
            report(walk.out, b"", &error);
            End::Failed
        }
    }
}

/// The name in the first header of a stream.
pub(crate) fn first_name(block: &[u8]) -> Vec<u8> {
    match block.get(..BLOCK) {
        Some(block) => Header::from_byte_slice(block).path_bytes().into_owned(),
        None => Vec::new(),
    }
}

/// Records why reading ended early.
pub(crate) fn report(out: &mut Collector<'_>, path: &[u8], error: &io::Error) {
    let kind = match Stop::of(error) {
        Some(stop) => stop.kind(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "truncated-archive",
        None => "corrupt-archive",
    };
    out.unread(kind, path, error.to_string());
}

struct Walk<'r, 'o, 'l> {
    reader: &'r mut dyn Read,
    out: &'o mut Collector<'l>,
    /// Bytes read so far.
    at: u64,
    extensions: Extensions,
}

impl Walk<'_, '_, '_> {
    fn run(&mut self) -> io::Result<End> {
        let mut zeros = 0;
        let mut bad = false;
        loop {
            let mut block = [0; BLOCK];
            if !self.block(&mut block)? {
                return Ok(End::Missing);
            }
            if block.iter().all(|byte| *byte == 0) {
                zeros += 1;
                if zeros == 2 {
                    self.after_end()?;
                    return Ok(End::Marked);
                }
                continue;
            }
            if zeros > 0 {
                self.out.anomaly(
                    "lone-zero-block",
                    b"",
                    "some readers stop here, others read on",
                );
                zeros = 0;
            }
            if is_header(&block) {
                bad = false;
                if !self.entry(Header::from_byte_slice(&block))? {
                    return Ok(End::Failed);
                }
            } else if !std::mem::replace(&mut bad, true) {
                self.out.unread(
                    "bad-header",
                    b"",
                    "a header's checksum is wrong; skipped to the next good one",
                );
            }
        }
    }

    /// One header with what belongs to it; false when no more entries may be read.
    fn entry(&mut self, header: &Header) -> io::Result<bool> {
        let Ok(stated) = header.entry_size() else {
            self.out
                .unread("bad-header", &header.path_bytes(), "the size is no number");
            return Ok(true);
        };
        match header.entry_type().as_byte() {
            b'L' => self.extensions.path = Some(self.long_name(stated)?),
            b'K' => self.extensions.link = Some(self.long_name(stated)?),
            b'x' => self.pax(stated)?,
            b'g' => self.global_pax(stated)?,
            _ => {
                if !self.out.has_room() {
                    return Ok(false);
                }
                self.member(header, stated)?;
            }
        }
        Ok(true)
    }

    fn member(&mut self, header: &Header, stated: u64) -> io::Result<()> {
        let extensions = std::mem::take(&mut self.extensions);
        let path = extensions
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let target = extensions
            .link
            .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
            .unwrap_or_default();
        let mut size = extensions.size.unwrap_or(stated);
        if extensions.size.is_some_and(|pax| pax != stated) && stated != 0 {
            self.out.anomaly(
                "size-mismatch",
                &path,
                "the extended header states another size",
            );
        }
        let kind = match header.entry_type().as_byte() {
            b'0' | 0 | b'7' if path.ends_with(b"/") => EntryKind::Directory,
            b'0' | 0 | b'7' => EntryKind::File,
            b'1' => EntryKind::Hardlink {
                target: target.into(),
            },
            b'2' => EntryKind::Symlink {
                target: target.into(),
            },
            b'5' => EntryKind::Directory,
            b'3' | b'4' | b'6' => EntryKind::Special,
            b'S' => {
                self.skip_sparse_map(header)?;
                self.out.unread(
                    "sparse-entry",
                    &path,
                    "kept as stored; holes are not filled",
                );
                EntryKind::File
            }
            _ => EntryKind::Special,
        };
        if extensions.sparse {
            self.out.unread(
                "sparse-entry",
                &path,
                "kept as stored; holes are not filled",
            );
        }
        if size > 0 && kind == EntryKind::Directory {
            // Clients take what follows for the next header.
            self.out
                .anomaly("directory-with-data", &path, "a folder states a size");
            size = 0;
        }
        if size > 0 && matches!(kind, EntryKind::Symlink { .. } | EntryKind::Hardlink { .. }) {
            self.out.unread(
                "link-with-data",
                &path,
                "some readers skip a link's data, others read headers in it",
            );
        }
        let mode = header.mode().unwrap_or(0);
        let head = Head {
            path,
            kind,
            mode,
            records: extensions.records,
            offset: self.at,
        };
        self.content(head, size)
    }

    fn content(&mut self, head: Head, size: u64) -> io::Result<()> {
        let mut content = self.out.read(&mut Read::take(&mut *self.reader, size));
        self.at += content.size;
        let error = content.error.take();
        let short = content.size < size;
        self.out.add(head, Some(content));
        match error {
            Some(error) => Err(error),
            None if short => Err(io::ErrorKind::UnexpectedEof.into()),
            None => self.skip(padding(size)),
        }
    }

    fn long_name(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut name = self.extension(size)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn pax(&mut self, size: u64) -> io::Result<()> {
        let records = self.extension(size)?;
        for record in PaxExtensions::new(&records) {
            let Ok(record) = record else {
                self.out
                    .unread("bad-header", b"", "an extended header is malformed");
                break;
            };
            match record.key_bytes() {
                b"path" => self.extensions.path = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.extensions.link = Some(record.value_bytes().to_vec()),
                b"size" => match record.value().ok().and_then(|value| value.parse().ok()) {
                    Some(size) => self.extensions.size = Some(size),
                    None => {
                        self.out
                            .unread("bad-header", b"", "an extended header's size is no number")
                    }
                },
                key if key.starts_with(b"GNU.sparse.") => self.extensions.sparse = true,
                key => self.keep_record(key, record.value_bytes()),
            }
        }
        Ok(())
    }

    /// Keeps what a tool defined for itself: POSIX leaves it the names in capital letters.
    fn keep_record(&mut self, key: &[u8], value: &[u8]) {
        let records = &mut self.extensions.records;
        let own = key.first().is_some_and(u8::is_ascii_uppercase);
        if own && records.len() < 8 && key.len() <= 256 && value.len() <= 256 {
            records.push((key.into(), value.into()));
        }
    }

    /// Defaults for all later entries. Archives made by version control carry only a comment.
    fn global_pax(&mut self, size: u64) -> io::Result<()> {
        let records = self.extension(size)?;
        let overrides = PaxExtensions::new(&records)
            .flatten()
            .any(|record| matches!(record.key_bytes(), b"path" | b"linkpath" | b"size"));
        if overrides {
            self.out.unread(
                "global-override",
                b"",
                "a global header renames or resizes entries; readers disagree",
            );
        }
        Ok(())
    }

    fn extension(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        let kept = size.min(EXTENSION);
        Read::take(&mut *self.reader, kept).read_to_end(&mut data)?;
        self.at += data.len() as u64;
        if (data.len() as u64) < kept {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if size > kept {
            self.out.unread(
                "bad-header",
                b"",
                format!("an extended header of {size} bytes was cut"),
            );
        }
        self.skip((size - kept).saturating_add(padding(size)))?;
        Ok(data)
    }

    fn skip_sparse_map(&mut self, header: &Header) -> io::Result<()> {
        let mut more = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        while more {
            let mut block = [0; BLOCK];
            if !self.block(&mut block)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            more = block[504] != 0;
        }
        Ok(())
    }

    /// Data behind the end of the archive: most readers never look there.
    fn after_end(&mut self) -> io::Result<()> {
        let mut block = [0; BLOCK];
        let mut junk = false;
        while self.block(&mut block)? {
            junk |= block.iter().any(|byte| *byte != 0);
            block = [0; BLOCK];
        }
        if junk {
            self.out.anomaly(
                "trailing-data",
                b"",
                "data follows the end of the tar archive",
            );
        }
        Ok(())
    }

    /// Fills `block`; false at the end of the stream, an error in the middle of a block.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    filled += n;
                    self.at += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut Read::take(&mut *self.reader, bytes), &mut io::sink())?;
        self.at += skipped;
        if skipped < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Bytes up to the next block.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
