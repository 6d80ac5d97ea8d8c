//! Where analyses and blobs are kept: a folder.
//!
//! ```text
//! DATA/blobs/ab/abcdef…        bytes by SHA-256, shared by all analyses
//! DATA/runs/ID/report.json     one folder an analysis
//! DATA/runs/ID/report.html
//! DATA/runs/ID/events.ndjson.zst
//! DATA/baselines/KEY.json      what an empty package does here
//! DATA/known/KEY               which analysis was made from these files by this program
//! ```
//!
//! Every file appears whole or not at all: it is written beside its place and then moved.

mod blobs;
mod runs;

pub use blobs::DirBlobs;
pub use runs::{Run, Store};

use std::path::PathBuf;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error(
        "cannot {action} {path}: {source}; check that the folder is writable and the disk is not full"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A kept file does not read as what it should be.
    #[error("{path} is damaged: {detail}; delete it to have it made again")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How.
        detail: String,
    },
    /// No analysis has this id.
    #[error("there is no analysis {0}")]
    Unknown(String),
}

fn io<T>(
    action: &'static str,
    path: &std::path::Path,
    result: std::io::Result<T>,
) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    })
}

/// Writes `bytes` so that `path` has either its old content or all of the new.
fn write_whole(path: &std::path::Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_extension(format!("part-{}", uuid::Uuid::now_v7().simple()));
    io("write", &temporary, std::fs::write(&temporary, bytes))?;
    io("move into place", path, std::fs::rename(&temporary, path))
}
