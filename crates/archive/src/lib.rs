//! Bounded, typed unpacking of hostile archives.
//!
//! [`read`] tells the format by content, walks every entry in memory and never writes one to disk. Whatever is
//! odd becomes an [`apa_model::Anomaly`]; nothing odd is fatal, and nothing is followed. What could not be read
//! makes the archive incomplete.
//!
//! Gems, Alpine and Debian packages wrap their files: [`Archive::entries`] are then the files that an installation
//! sees, and [`Archive::parts`] the sections around them, with their packed bytes for signatures and hashes.
//! [`Archive::nested`] opens archives among the files.
//!
//! Kinds of anomaly:
//!
//! * names: `path-traversal`, `absolute-path`, `windows-path`, `control-character-name`, `misleading-name`,
//!   `invalid-utf8-name`, `empty-name`, `name-too-long`, `path-too-deep`, `duplicate-entry`, `case-collision`
//! * kinds of entry: `symlink-leaves`, `hardlink-leaves`, `write-through-symlink`, `special-file`, `setuid`,
//!   `sparse-entry`, `directory-with-data`, `link-with-data`
//! * readers would disagree: `size-mismatch`, `checksum-mismatch`, `local-header-mismatch`,
//!   `directory-mismatch`, `overlapping-entries`, `hidden-data`, `prefix-data`, `suffix-data`,
//!   `trailing-data`, `extra-gzip-member`, `lone-zero-block`, `no-end-marker`, `global-override`, `polyglot`
//! * not read: `encrypted-entry`, `unknown-method`, `bad-header`, `truncated-archive`, `corrupt-archive`
//! * limits: `entry-limit`, `unpacked-limit`, `ratio-limit`, `memory-limit`

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod apk;
mod collect;
mod deb;
mod error;
mod gem;
mod gzip;
mod limits;
mod meter;
mod names;
mod nested;
mod part;
mod program;
mod sealed;
mod tar;
mod tree;
mod zip;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use apa_model::Hostile;

pub use collect::ANOMALIES_PER_KIND;
pub use error::ArchiveError;
pub use limits::Limits;
pub use nested::{Nested, NestedArchives};
pub use part::Part;
pub use sealed::{Unsealed, unseal};
pub use tree::{Archive, Entry, EntryKind, Format};

use collect::Collector;
use meter::Meter;

/// Reads the archive at `path`.
///
/// # Errors
/// When there is nothing to look into: no regular file, empty, larger than the limit, unreadable, or of an
/// unknown format. A damaged archive is no error.
pub fn read(path: &Path, limits: &Limits) -> Result<Archive, ArchiveError> {
    let name = || Hostile::from(path.as_os_str().as_bytes());
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ArchiveError::Missing(name()),
        _ => ArchiveError::Io {
            path: name(),
            source,
        },
    };
    // Before opening: opening a pipe would block.
    let kind = std::fs::metadata(path).map_err(failed)?.file_type();
    if kind.is_dir() {
        return Err(ArchiveError::Directory(name()));
    }
    if !kind.is_file() {
        return Err(ArchiveError::NotAFile(name()));
    }
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    read_from(
        BufReader::with_capacity(64 << 10, file),
        length,
        name(),
        limits,
    )
}

/// Reads an archive from memory; `name` stands in errors.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(bytes: &[u8], name: &str, limits: &Limits) -> Result<Archive, ArchiveError> {
    read_from(Cursor::new(bytes), bytes.len() as u64, name.into(), limits)
}

fn read_from<F: BufRead + Seek>(
    mut file: F,
    length: u64,
    path: Hostile,
    limits: &Limits,
) -> Result<Archive, ArchiveError> {
    if length == 0 {
        return Err(ArchiveError::Empty(path));
    }
    if length > limits.archive_bytes {
        return Err(ArchiveError::TooLarge {
            path,
            size: length,
            limit: limits.archive_bytes,
        });
    }
    let mut out = Collector::new(limits);
    let name = path.lossy().into_owned();
    match recognise(&mut file, length, &name) {
        Ok(Ok(format)) => {
            match format {
                Format::Zip => zip::walk(&mut file, length, &Meter::new(limits), &mut out),
                Format::TarGz => read_tar_gz(&mut file, length, &mut out),
                Format::Apk => {
                    apk::walk(&mut file, &Meter::new(limits), &mut out);
                    check_polyglot(&mut file, length, &mut out);
                }
                Format::Deb => deb::walk(&mut file, length, &Meter::new(limits), &mut out),
                Format::Program => program::read(&mut file, &name, &Meter::new(limits), &mut out),
                Format::Tar | Format::Gem => return Ok(read_tar(&mut file, length, limits)),
            }
            Ok(out.finish(format))
        }
        Ok(Err(found)) => Err(ArchiveError::NotAnArchive { path, found }),
        Err(source) => Err(ArchiveError::Io { path, source }),
    }
}

/// The format by content, or what the file is instead. Leaves `file` at its start.
fn recognise<F: BufRead + Seek>(
    file: &mut F,
    length: u64,
    name: &str,
) -> io::Result<Result<Format, &'static str>> {
    let start = first_block(file)?;
    let format = if start.starts_with(&[0x1f, 0x8b]) {
        file.seek(SeekFrom::Start(0))?;
        // A cut or damaged stream may still give its first block.
        let inside = first_block(&mut gzip::Members::new(&mut *file).0).unwrap_or_default();
        if tar::is_header(&inside) && apk::begins(&tar::first_name(&inside)) {
            Ok(Format::Apk)
        } else if tar::is_header(&inside) {
            Ok(Format::TarGz)
        } else if inside.is_empty() {
            Err("damaged gzip data")
        } else {
            Err("gzip data without a tar archive inside")
        }
    } else if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        Ok(Format::Zip)
    } else if deb::begins(&start) {
        Ok(Format::Deb)
    } else if tar::is_header(&start) {
        Ok(Format::Tar)
    } else if zip::find_end(file, length)?.is_some() {
        Ok(Format::Zip)
    } else if let Some(known) = program::known_as(&start) {
        Err(known)
    } else if program::is_program(&start, name) {
        Ok(Format::Program)
    } else {
        Err("unknown content")
    };
    file.seek(SeekFrom::Start(0))?;
    Ok(format)
}

fn first_block(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut block = Vec::new();
    match reader.take(512).read_to_end(&mut block) {
        Err(error) if block.is_empty() => Err(error),
        _ => Ok(block),
    }
}

/// Plain tar, or the gem that it turns out to be.
fn read_tar<F: BufRead + Seek>(file: &mut F, length: u64, limits: &Limits) -> Archive {
    let mut out = Collector::new(limits);
    let meter = Meter::new(limits);
    tar::walk(&mut meter.watch(&mut *file, || u64::MAX), &mut out);
    check_polyglot(file, length, &mut out);
    let plain = out.finish(Format::Tar);
    if !gem::is_gem(&plain) {
        return plain;
    }
    let mut out = Collector::new(limits);
    gem::walk(file, plain, &Meter::new(limits), &mut out);
    out.finish(Format::Gem)
}

fn read_tar_gz<F: BufRead + Seek>(file: &mut F, length: u64, out: &mut Collector<'_>) {
    let limits = out.limits;
    let meter = Meter::new(limits);
    let packed = Cell::new(0);
    let (members, tail) = gzip::Members::new(meter::Counted::new(&mut *file, &packed));
    tar::walk(&mut meter.watch(members, || packed.get()), out);
    tail.report(out);
    check_polyglot(file, length, out);
}

/// A tar archive that a zip reader would open as well shows each reader something else.
fn check_polyglot<F: BufRead + Seek>(file: &mut F, length: u64, out: &mut Collector<'_>) {
    let mut zip = Collector::new(out.limits);
    if let Ok(Some(_)) = zip::find_end(file, length)
        && let Ok(Some(directory)) = zip::Directory::find(file, length, &mut zip)
        && directory.entries > 0
    {
        out.anomaly("polyglot", b"", "the file is a zip archive as well");
    }
}
