//! Ruby gems: a plain tar of `metadata.gz`, `data.tar.gz`, checksums and signatures. The entries are the files of
//! `data.tar.gz`; the members themselves are parts.

use std::cell::Cell;
use std::io::{self, BufRead, Cursor, Seek};

use flate2::bufread::GzDecoder;

use crate::collect::Collector;
use crate::gzip;
use crate::meter::{Counted, Meter};
use crate::part::{self, Part};
use crate::tar;
use crate::tree::Archive;

/// Whether a tar archive is a gem.
pub(crate) fn is_gem(outer: &Archive) -> bool {
    outer.file("data.tar.gz").is_some() && outer.file("metadata.gz").is_some()
}

/// Reads the members of `outer`, the tar archive in `file`.
pub(crate) fn walk<F: BufRead + Seek>(
    file: &mut F,
    outer: Archive,
    meter: &Meter<'_>,
    out: &mut Collector<'_>,
) {
    out.absorb(&outer);
    for (entry, offset) in outer.entries.iter().zip(&outer.offsets) {
        let name = entry.safe_path.as_deref().unwrap_or_default();
        let first = out.entries().len();
        let mut content = None;
        if name == "data.tar.gz" {
            read_data(&entry.bytes, meter, out);
        } else if name.ends_with(".gz") {
            content = match unzip(&entry.bytes, meter) {
                Ok(Some(content)) => Some(content),
                Ok(None) => {
                    let detail = "more unpacked bytes than are kept of such a member";
                    out.unread("unpacked-limit", name.as_bytes(), detail);
                    None
                }
                Err(error) => {
                    tar::report(out, name.as_bytes(), &error);
                    None
                }
            };
        } else if entry.kept {
            content = Some(entry.bytes.clone());
        }
        let entries = first..out.entries().len();
        match Part::read(file, entry.path.clone(), (*offset, entry.size), entries) {
            Ok(part) => out.part(Part { content, ..part }),
            Err(error) => tar::report(out, name.as_bytes(), &error),
        }
    }
}

fn read_data(packed: &[u8], meter: &Meter<'_>, out: &mut Collector<'_>) {
    let count = Cell::new(0);
    let source = Counted::new(Cursor::new(packed), &count);
    let (members, tail) = gzip::Members::new(source);
    tar::walk(&mut meter.watch(members, || count.get()), out);
    tail.report(out);
}

fn unzip(packed: &[u8], meter: &Meter<'_>) -> io::Result<Option<std::sync::Arc<[u8]>>> {
    let count = Cell::new(0);
    let decoder = GzDecoder::new(Counted::new(packed, &count));
    part::small(meter.watch(decoder, || count.get()))
}
