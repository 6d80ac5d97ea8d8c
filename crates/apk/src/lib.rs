//! Alpine and Wolfi packages, format version 2: what an index, a package and a signature say, which version is
//! newer, who provides what, and whether the bytes are the ones that were signed. Nothing here does I/O.
//!
//! A package is three gzip members, one tar stream: signature, control, data. The signature is over the packed
//! bytes of the control member; `datahash` in there is over those of the data member; each file's sum is in its
//! own tar record. The index knows a package by the SHA-1 of its packed control member.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod dependency;
mod error;
mod index;
mod integrity;
mod package;
mod pkginfo;
mod resolve;
mod signature;
mod version;

pub use dependency::{Dependency, Operator, Provided};
pub use error::ApkError;
pub use index::{Index, Record};
pub use integrity::{Integrity, verify};
pub use package::{FileKind, HOOKS, Package, PackageFile};
pub use pkginfo::PkgInfo;
pub use resolve::{Resolution, resolve};
pub use signature::{Keys, Signature};
pub use version::compare;

/// What a file of format version 3 begins with. This crate does not read it.
pub const VERSION_3_MAGIC: &[u8] = b"ADB";
