//! Samples are passed on in zip archives with a password that everybody knows.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use apa_model::Hostile;
use zip::ZipArchive;

use crate::error::ArchiveError;
use crate::limits::Limits;

/// Most passwords that are tried.
const PASSWORDS: usize = 32;

/// The one file of a zip archive that was packed with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// Its name in the archive, without folders.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Opens a zip archive whose only file is encrypted (`ZipCrypto` or AES) with one of `passwords`; `None` when `path`
/// is something else.
///
/// # Errors
/// When it holds several files, no password fits, or the file is larger than the limit.
pub fn unseal(
    path: &Path,
    passwords: &[String],
    limits: &Limits,
) -> Result<Option<Unsealed>, ArchiveError> {
    let shown = || Hostile::from(path.as_os_str().as_bytes());
    let Ok(file) = File::open(path) else {
        return Ok(None);
    };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    if length > limits.archive_bytes {
        return Ok(None);
    }
    let Ok(mut archive) = ZipArchive::new(BufReader::new(file)) else {
        return Ok(None);
    };
    let mut sealed = Vec::new();
    let mut files = 0;
    for at in 0..archive.len().min(limits.entries) {
        let Ok(entry) = archive.by_index_raw(at) else {
            return Ok(None);
        };
        files += usize::from(!entry.is_dir());
        if entry.encrypted() && !entry.is_dir() {
            sealed.push((at, base_name(entry.name_raw())));
        }
    }
    let Some((at, name)) = sealed.pop() else {
        return Ok(None);
    };
    if files > 1 {
        return Err(ArchiveError::ManySealed {
            path: shown(),
            files,
        });
    }
    let limit = limits.archive_bytes;
    for password in passwords.iter().take(PASSWORDS) {
        let Ok(entry) = archive.by_index_decrypt(at, password.as_bytes()) else {
            continue;
        };
        let mut bytes = Vec::new();
        // A wrong password may pass the first check and fail at the end, by the checksum.
        if entry.take(limit + 1).read_to_end(&mut bytes).is_err() {
            continue;
        }
        if bytes.len() as u64 > limit {
            return Err(ArchiveError::TooLarge {
                path: shown(),
                size: bytes.len() as u64,
                limit,
            });
        }
        return Ok(Some(Unsealed { name, bytes }));
    }
    Err(ArchiveError::Sealed { path: shown() })
}

fn base_name(raw: &[u8]) -> String {
    let base = raw.rsplit(|byte| matches!(byte, b'/' | b'\\')).next();
    String::from_utf8_lossy(base.unwrap_or_default()).into_owned()
}
