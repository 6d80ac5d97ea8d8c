//! What was recorded, on disk. Every file appears whole or not at all, so that several processes can share it.
//!
//! * `artifacts/ab/abcd…` — a file by its SHA-256
//! * `links/…` — the SHA-256 of a file known by another digest or only by its address
//! * `metadata/PROTOCOL-REGISTRY/…` — an answer of a registry, one JSON line about it and then its body
//! * `tmp/` — files being written

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::GatewayError;
use crate::integrity::{Integrity, sha256};

/// Age at which a file left behind in `tmp` is removed.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Cache {
    root: PathBuf,
}

/// An answer of a registry.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) about: About,
    pub(crate) body: Bytes,
}

/// What is known about a recorded answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// False: the registry said that there is no such package.
    pub(crate) found: bool,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    /// When the registry last confirmed it, seconds since 1970.
    pub(crate) confirmed: u64,
}

impl About {
    /// The registry has no such package.
    pub(crate) fn not_found(confirmed: u64) -> Self {
        Self {
            found: false,
            etag: None,
            last_modified: None,
            confirmed,
        }
    }

    pub(crate) fn is_fresh(&self, age: Duration) -> bool {
        // An answer from the future is no fresher than one from the past.
        now().abs_diff(self.confirmed) <= age.as_secs()
    }
}

/// A file being written. It goes away with this value, also when a download is given up half-way; once it has
/// its place, there is nothing left to go away.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Usually it has been moved.
        let _ = fs::remove_file(&self.0);
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| passed.as_secs())
}

impl Cache {
    pub(crate) fn open(root: PathBuf) -> Result<Self, GatewayError> {
        for folder in ["artifacts", "links", "metadata", "tmp"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|source| GatewayError::Cache { path, source })?;
        }
        let cache = Self { root };
        cache.remove_left_behind();
        Ok(cache)
    }

    fn remove_left_behind(&self) {
        let Ok(files) = fs::read_dir(self.root.join("tmp")) else {
            return;
        };
        for file in files.flatten() {
            let old = file
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT_BEHIND));
            if old {
                // Another process may have been faster.
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Where the record of `name` is. The name is hashed: names may differ only in case, and some are no
    /// file names.
    fn record_path(&self, folder: &str, name: &str) -> PathBuf {
        self.root
            .join("metadata")
            .join(folder)
            .join(sha256(name.as_bytes()))
    }

    /// The record of `name`; one that cannot be read counts as none.
    pub(crate) fn record(&self, folder: &str, name: &str) -> Option<Record> {
        let content = Bytes::from(fs::read(self.record_path(folder, name)).ok()?);
        let line = content.iter().position(|byte| *byte == b'\n')?;
        let about = serde_json::from_slice(&content[..line]).ok()?;
        Some(Record {
            about,
            body: content.slice(line + 1..),
        })
    }

    pub(crate) fn put_record(
        &self,
        folder: &str,
        name: &str,
        record: &Record,
    ) -> Result<(), GatewayError> {
        let path = self.record_path(folder, name);
        let write = || {
            let mut about = serde_json::to_vec(&record.about)?;
            about.push(b'\n');
            self.write(&path, &[&about, &record.body])
        };
        write().map_err(|source| GatewayError::Cache {
            path: path.clone(),
            source,
        })
    }

    /// Where the artifact with this SHA-256 is or will be.
    pub(crate) fn artifact_path(&self, sha256: &str) -> PathBuf {
        self.root.join("artifacts").join(&sha256[..2]).join(sha256)
    }

    fn link_path(&self, url: &str, integrity: &Integrity) -> PathBuf {
        let key = match integrity {
            Integrity::Unstated => sha256(url.as_bytes()),
            stated => sha256(stated.to_string().as_bytes()),
        };
        self.root.join("links").join(key)
    }

    /// SHA-256 of the artifact that has this digest, if one is recorded.
    pub(crate) fn known_sha256(&self, url: &str, integrity: &Integrity) -> Option<String> {
        if let Integrity::Sha256(digest) = integrity {
            return Some(crate::integrity::hex(digest));
        }
        let sha256 = fs::read_to_string(self.link_path(url, integrity)).ok()?;
        let valid = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid.then_some(sha256)
    }

    /// A new file to download into.
    pub(crate) fn temporary(&self) -> Temporary {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{count}", std::process::id());
        Temporary(self.root.join("tmp").join(name))
    }

    /// Makes a verified download visible.
    pub(crate) fn adopt(
        &self,
        temporary: Temporary,
        sha256: &str,
        url: &str,
        integrity: &Integrity,
    ) -> Result<PathBuf, GatewayError> {
        let path = self.artifact_path(sha256);
        let place = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            fs::rename(temporary.path(), &path)?;
            match integrity {
                Integrity::Sha256(_) => Ok(()),
                other => self.write(&self.link_path(url, other), &[sha256.as_bytes()]),
            }
        };
        match place() {
            Ok(()) => Ok(path),
            Err(source) => Err(GatewayError::Cache { path, source }),
        }
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        let temporary = self.temporary();
        let mut file = fs::File::create(temporary.path())?;
        for part in parts {
            file.write_all(part)?;
        }
        drop(file);
        fs::rename(temporary.path(), path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &'static str) -> Record {
        Record {
            about: About {
                found: true,
                etag: Some("\"1\"".into()),
                last_modified: None,
                confirmed: now(),
            },
            body: body.into(),
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().into()).unwrap();
        cache.put_record("npm-x", "@a/b", &record("{\n}")).unwrap();
        let back = cache.record("npm-x", "@a/b").unwrap();
        assert_eq!(back.body, "{\n}");
        assert_eq!(back.about.etag.as_deref(), Some("\"1\""));
        assert!(cache.record("npm-y", "@a/b").is_none());
    }

    #[test]
    fn a_damaged_record_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().into()).unwrap();
        cache.put_record("npm-x", "a", &record("{}")).unwrap();
        for damage in [&b""[..], b"{", b"nonsense\n{}", b"\xff\n"] {
            fs::write(cache.record_path("npm-x", "a"), damage).unwrap();
            assert!(cache.record("npm-x", "a").is_none());
        }
    }

    #[test]
    fn age_counts_in_both_directions() {
        let mut about = record("").about;
        assert!(about.is_fresh(Duration::from_secs(60)));
        about.confirmed = now() - 100;
        assert!(!about.is_fresh(Duration::from_secs(60)));
        about.confirmed = now() + 100;
        assert!(!about.is_fresh(Duration::from_secs(60)));
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = match Cache::open(file.path().into()) {
            Ok(_) => panic!("a file was taken for a folder"),
            Err(error) => error.to_string(),
        };
        assert!(message.contains(file.path().to_str().unwrap()), "{message}");
    }
}
