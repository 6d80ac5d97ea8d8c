//! Zip by its central directory, with every local header held against it. Read here rather than through an
//! archive library, because libraries show one entry per name and stop at the first contradiction.

use std::cell::Cell;
use std::io::{self, BufRead, Read as _, Seek, SeekFrom};

use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;

use crate::collect::{Collector, Content, Head};
use crate::meter::{Counted, Meter, Stop};
use crate::tar::report;
use crate::tree::EntryKind;

mod headers;

use headers::{Central, Local};
pub(crate) use headers::{Directory, find_end};

/// General purpose flag: the content is encrypted.
const ENCRYPTED: u16 = 1;

/// Reads every entry of the zip archive in `file`, `length` bytes long, into `out`.
pub(crate) fn walk<'l, F: BufRead + Seek>(
    file: &mut F,
    length: u64,
    meter: &Meter<'l>,
    out: &mut Collector<'l>,
) {
    let mut walk = Walk {
        file,
        length,
        meter,
        out,
        spans: Vec::new(),
    };
    if let Err(error) = walk.run() {
        report(walk.out, b"", &error);
    }
}

struct Walk<'w, 'l, F> {
    file: &'w mut F,
    length: u64,
    meter: &'w Meter<'l>,
    out: &'w mut Collector<'l>,
    /// Parts of the file that entries take.
    spans: Vec<(u64, u64)>,
}

impl<F: BufRead + Seek> Walk<'_, '_, F> {
    fn run(&mut self) -> io::Result<()> {
        let Some(directory) = Directory::find(self.file, self.length, self.out)? else {
            return Ok(());
        };
        let mut at = directory.start;
        let mut left = directory.entries;
        while left > 0 && self.out.has_room() {
            let central = Central::read(self.file, at)?;
            at += central.length;
            left -= 1;
            if !self.entry(&central, directory.shift)? {
                return Ok(());
            }
        }
        if left == 0 && at != directory.end {
            let detail =
                "the central directory does not end where it should; entries may be hidden";
            self.out.anomaly("directory-mismatch", b"", detail);
        }
        self.check_spans(directory.start);
        Ok(())
    }

    /// Reads one entry; false when the archive's budget is used up.
    fn entry(&mut self, central: &Central, shift: u64) -> io::Result<bool> {
        let name = &central.name;
        let start = central.offset.saturating_add(shift);
        let Some(local) = Local::read(self.file, start)? else {
            let detail = "there is no local header where the directory says";
            self.out.unread("bad-header", name, detail);
            self.out.add(head(central, None), None);
            return Ok(true);
        };
        for difference in local.differences(central) {
            self.out.anomaly("local-header-mismatch", name, difference);
        }
        let data = start + local.length;
        self.spans
            .push((start, data.saturating_add(central.packed)));
        if central.flags & ENCRYPTED != 0 {
            self.out
                .unread("encrypted-entry", name, "the content is encrypted");
            self.out.add(head(central, None), None);
            return Ok(true);
        }
        if !matches!(central.method, 0 | 8) {
            let detail = format!("compression method {} is not understood", central.method);
            self.out.unread("unknown-method", name, detail);
            self.out.add(head(central, None), None);
            return Ok(true);
        }
        self.file.seek(SeekFrom::Start(data))?;
        let (content, crc) = self.content(central);
        let stop = content.error.as_ref().and_then(Stop::of);
        self.check_content(central, &content, crc, data);
        self.out.add(head(central, content.kept()), Some(content));
        Ok(stop != Some(Stop::Unpacked))
    }

    fn content(&mut self, central: &Central) -> (Content, u32) {
        let packed = Cell::new(0);
        let source = Counted::new(self.file.by_ref().take(central.packed), &packed);
        if central.method == 0 {
            let mut reader = CrcReader::new(self.meter.watch(source, || u64::MAX));
            (self.out.read(&mut reader), reader.crc().sum())
        } else {
            let inflated = DeflateDecoder::new(source);
            let mut reader = CrcReader::new(self.meter.watch(inflated, || packed.get()));
            (self.out.read(&mut reader), reader.crc().sum())
        }
    }

    fn check_content(&mut self, central: &Central, content: &Content, crc: u32, data: u64) {
        let name = &central.name;
        if let Some(error) = &content.error {
            return report(self.out, name, error);
        }
        if data.saturating_add(central.packed) > self.length {
            self.out.unread(
                "truncated-archive",
                name,
                "the file ends inside the content",
            );
        }
        if content.size != central.size {
            let detail = format!("states {} bytes, holds {}", central.size, content.size);
            self.out.anomaly("size-mismatch", name, detail);
        }
        if crc != central.crc {
            self.out
                .anomaly("checksum-mismatch", name, "the CRC-32 is wrong");
        }
    }

    /// Looks for bytes that no entry accounts for, and for bytes that two entries share.
    fn check_spans(&mut self, directory: u64) {
        self.spans.sort_unstable();
        let mut end = 0;
        let mut first = true;
        let mut overlap = false;
        let mut hidden = 0;
        for (from, to) in self.spans.iter().copied().chain([(directory, directory)]) {
            overlap |= from < end;
            // A data descriptor takes up to 24 bytes behind the content.
            if from > end && (first || from - end > 24) {
                hidden += from - end;
            }
            end = end.max(to);
            first = false;
        }
        if overlap {
            self.out.anomaly(
                "overlapping-entries",
                b"",
                "two entries share bytes of the file",
            );
        }
        if hidden > 0 {
            let detail = format!("{hidden} bytes belong to no entry");
            self.out.anomaly("hidden-data", b"", detail);
        }
    }
}

fn head(central: &Central, content: Option<&[u8]>) -> Head {
    // The upper half of the attributes is a mode when a Unix made the archive.
    let mode = if central.unix {
        central.attributes >> 16
    } else {
        0
    };
    let kind = match mode & 0o170_000 {
        0o120_000 => EntryKind::Symlink {
            target: content.unwrap_or_default().into(),
        },
        0o010_000 | 0o020_000 | 0o060_000 | 0o140_000 => EntryKind::Special,
        _ if central.name.ends_with(b"/") => EntryKind::Directory,
        _ => EntryKind::File,
    };
    Head {
        path: central.name.clone(),
        kind,
        mode,
        records: Vec::new(),
        offset: 0,
    }
}
