//! What a lock file, a requirements list or an SBOM names, as a list of packages.
//!
//! [`parse`] is a pure function of hostile bytes: bounded, without a panic, without I/O (files that a list includes
//! are asked for through [`Files`]). Each entry is either a [`PackageRef`] that a registry can be asked for, or is
//! listed with the reason why it cannot be analysed: nothing is dropped silently.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod composer;
mod cyclonedx;
mod entry;
mod gem;
mod kind;
mod maven;
mod merge;
mod node;
mod python;
mod rust;
mod sbom;
mod spdx;
mod text;
mod xml;
mod yaml;

use apa_model::Hostile;
use thiserror::Error;

pub use entry::{Algorithm, Entry, Hash, Subject};
pub use kind::Kind;
pub use merge::{Merged, Origin, merge};

/// Largest file that is read, bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// Most entries of one file.
pub const MAX_ENTRIES: usize = 50_000;

/// Gives the files that a list includes, by the path written in it.
pub trait Files {
    /// The file at `path`, seen from the folder of the list itself; `None` when it is not there or may not be read.
    fn read(&mut self, path: &str) -> Option<Vec<u8>>;
}

/// No other files.
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&mut self, _path: &str) -> Option<Vec<u8>> {
        None
    }
}

/// What one file lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What kind of file it is.
    pub kind: Kind,
    /// In the order of the file; a package may occur several times.
    pub entries: Vec<Entry>,
    /// What was left out or could not be followed, in words. Not empty means that the list is not whole.
    pub gaps: Vec<Hostile>,
}

/// Why a file is no list of packages.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LockfileError {
    /// Neither name nor content tells what it is.
    #[error(
        "it is no lock file or SBOM that is known; package-lock.json, yarn.lock, pnpm-lock.yaml, requirements.txt, \
         poetry.lock, uv.lock, pdm.lock, pylock.toml, Pipfile.lock, Gemfile.lock, composer.lock, Cargo.lock, pom.xml, CycloneDX and SPDX are"
    )]
    Unknown,
    /// It is larger than [`MAX_BYTES`].
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// It does not read as what it seems to be.
    #[error("it does not read as {kind}: {detail}; have the package manager write it again")]
    Malformed {
        /// What it seems to be.
        kind: Kind,
        /// Where it goes wrong.
        detail: Hostile,
    },
}

/// Reads one file. `name` is its file name, by which most kinds are told apart.
///
/// # Errors
/// When it is of no known kind, too large, or damaged.
pub fn parse(name: &str, bytes: &[u8], files: &mut dyn Files) -> Result<Listing, LockfileError> {
    if bytes.len() > MAX_BYTES {
        return Err(LockfileError::TooLarge);
    }
    let kind = Kind::recognise(name, bytes).ok_or(LockfileError::Unknown)?;
    let text = text::decode(bytes);
    let mut out = entry::Draft::new();
    let result = match kind {
        Kind::PackageLock => node::package_lock::parse(&text, &mut out),
        Kind::YarnLock => node::yarn::parse(&text, &mut out),
        Kind::PnpmLock => node::pnpm::parse(&text, &mut out),
        Kind::Requirements => python::requirements::parse(&text, files, &mut out),
        Kind::PoetryLock => python::tables::poetry(&text, &mut out),
        Kind::UvLock => python::tables::uv(&text, &mut out),
        Kind::Pylock => python::tables::pylock(&text, &mut out),
        Kind::PipfileLock => python::pipfile::parse(&text, &mut out),
        Kind::GemfileLock => gem::parse(&text, &mut out),
        Kind::ComposerLock => composer::parse(&text, &mut out),
        Kind::CargoLock => rust::parse(&text, &mut out),
        Kind::Pom => maven::parse(&text, files, &mut out),
        Kind::CycloneDxJson => cyclonedx::parse_json(&text, &mut out),
        Kind::CycloneDxXml => cyclonedx::parse_xml(&text, &mut out),
        Kind::SpdxJson => spdx::parse_json(&text, &mut out),
        Kind::SpdxTagValue => spdx::parse_tags(&text, &mut out),
    };
    result.map_err(|detail| LockfileError::Malformed {
        kind,
        detail: Hostile::from(detail).shortened(300),
    })?;
    Ok(out.finish(kind))
}
