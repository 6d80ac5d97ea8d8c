//! Alpine packages, version 2: gzip members (signature, control, data) that together are one tar stream. Each
//! member is walked by itself, because signature and hashes are made over a member's packed bytes.

use std::cell::Cell;
use std::io::{self, BufRead, Seek, SeekFrom};

use flate2::bufread::GzDecoder;

use crate::collect::Collector;
use crate::meter::{Counted, Meter};
use crate::part::Part;
use crate::tar::{self, End};

/// Most gzip members that are read.
const MEMBERS: usize = 16;

/// Whether the first entry of a tar stream in gzip is what an Alpine package begins with.
pub(crate) fn begins(first_name: &[u8]) -> bool {
    [
        ".SIGN.", ".PKGINFO", ".pre-", ".post-", ".trigger", ".melange",
    ]
    .iter()
    .any(|start| first_name.starts_with(start.as_bytes()))
}

/// Reads every member of the package in `file`.
pub(crate) fn walk<F: BufRead + Seek>(file: &mut F, meter: &Meter<'_>, out: &mut Collector<'_>) {
    let mut members = Vec::new();
    if let Err(error) = read_members(file, meter, out, &mut members) {
        tar::report(out, b"", &error);
    }
    for (name, span, entries) in members {
        match Part::read(file, name.into(), span, entries) {
            Ok(part) => out.part(part),
            Err(error) => tar::report(out, b"", &error),
        }
    }
}

type Member = (&'static str, (u64, u64), std::ops::Range<usize>);

fn read_members<F: BufRead + Seek>(
    file: &mut F,
    meter: &Meter<'_>,
    out: &mut Collector<'_>,
    members: &mut Vec<Member>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut offset = 0;
    let mut ended = false;
    loop {
        match file.fill_buf()? {
            [] => break,
            [0x1f, ..] if members.len() < MEMBERS => {}
            [0x1f, ..] => {
                let detail = "too many gzip members; the rest was not read";
                out.unread("entry-limit", b"", detail);
                return Ok(());
            }
            _ => {
                out.anomaly("suffix-data", b"", "data follows the gzip stream");
                break;
            }
        }
        if ended {
            let detail = "a gzip member follows the end of the tar archive; readers disagree on whether it counts";
            out.anomaly("extra-gzip-member", b"", detail);
        }
        let packed = Cell::new(0);
        let first = out.entries().len();
        let decoder = GzDecoder::new(Counted::new(&mut *file, &packed));
        let end = tar::walk_section(&mut meter.watch(decoder, || packed.get()), out);
        let entries = first..out.entries().len();
        let controlled = members.iter().any(|(name, ..)| *name == "control");
        let name = match role(&out.entries()[entries.clone()]) {
            // What a package installs may be called as it likes.
            _ if controlled => "data",
            role => role,
        };
        members.push((name, (offset, packed.get()), entries));
        offset += packed.get();
        match end {
            End::Marked => ended = true,
            End::Missing => ended = false,
            // Where the next member begins is not known.
            End::Failed => return Ok(()),
        }
    }
    check_end(out, ended, members.len());
    Ok(())
}

fn check_end(out: &mut Collector<'_>, ended: bool, members: usize) {
    if !ended {
        out.anomaly(
            "no-end-marker",
            b"",
            "the end-of-archive blocks are missing",
        );
    }
    if members > 3 {
        let detail = format!("{members} gzip members where three are usual");
        out.anomaly("extra-gzip-member", b"", detail);
    }
}

fn role(entries: &[crate::Entry]) -> &'static str {
    let named = |start: &[u8]| {
        entries
            .iter()
            .any(|entry| entry.path.as_bytes().starts_with(start))
    };
    if named(b".PKGINFO") {
        "control"
    } else if named(b".SIGN.") {
        "signature"
    } else {
        "data"
    }
}
