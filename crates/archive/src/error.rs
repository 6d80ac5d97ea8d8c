use std::io;

use apa_model::Hostile;
use thiserror::Error;

/// Why a file cannot be looked into at all. Anything less is an anomaly of the [`crate::Archive`].
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// There is no such file.
    #[error("{0}: no such file; check the path")]
    Missing(Hostile),
    /// A folder was given.
    #[error(
        "{0} is a directory; give a package archive (.tgz, .whl, .tar.gz, .zip), made with npm pack or python -m build"
    )]
    Directory(Hostile),
    /// A device, pipe or socket was given.
    #[error("{0} is not a regular file; give a package archive (.tgz, .whl, .tar.gz, .zip)")]
    NotAFile(Hostile),
    /// The file has no bytes.
    #[error("{0} is empty; download or build it again")]
    Empty(Hostile),
    /// The file exceeds the limit; nothing of it was read.
    #[error("{path} is too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Which file.
        path: Hostile,
        /// Its size, bytes.
        size: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// The content is no archive that is known.
    #[error(
        "{path} is not a package archive: {found}; tar (plain or in gzip), zip, gem, apk, deb, ELF programs and scripts are understood"
    )]
    NotAnArchive {
        /// Which file.
        path: Hostile,
        /// What it is instead.
        found: &'static str,
    },
    /// An encrypted zip archive that no password opens.
    #[error("{path} is encrypted and no password opens it; give the right one with --password")]
    Sealed {
        /// Which file.
        path: Hostile,
    },
    /// An encrypted zip archive of several files.
    #[error(
        "{path} is encrypted and holds {files} files; unpack it and give the one to be analysed"
    )]
    ManySealed {
        /// Which file.
        path: Hostile,
        /// How many there are.
        files: usize,
    },
    /// Opening or reading failed.
    #[error("cannot read {path}: {source}; check that the file can be read")]
    Io {
        /// Which file.
        path: Hostile,
        /// Why.
        source: io::Error,
    },
}
