use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use apa_model::{BlobSink, Digest};
use sha2::{Digest as _, Sha256};

use crate::{StoreError, io as ctx};

/// Blobs in a folder, named by their hash. Files are never executable.
#[derive(Clone, Debug)]
pub struct DirBlobs {
    root: PathBuf,
}

impl DirBlobs {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        ctx("make", &root, fs::create_dir_all(&root))?;
        Ok(Self { root })
    }

    /// Where a blob is, if it is kept.
    pub fn path(&self, digest: &str) -> Option<PathBuf> {
        let valid = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        Some(self.place(digest)).filter(|path| valid && path.exists())
    }

    fn place(&self, digest: &str) -> PathBuf {
        self.root.join(&digest[..2.min(digest.len())]).join(digest)
    }

    fn keep(&self, temporary: &Path, digest: &str) -> io::Result<()> {
        let place = self.place(digest);
        if place.exists() {
            return fs::remove_file(temporary);
        }
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::rename(temporary, &place)
    }
}

impl BlobSink for DirBlobs {
    fn put(&self, reader: &mut dyn Read) -> io::Result<(Digest, u64)> {
        let temporary = self
            .root
            .join(format!("part-{}", uuid::Uuid::now_v7().simple()));
        let copied = copy_hashing(reader, &temporary);
        if copied.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        let (digest, size) = copied?;
        self.keep(&temporary, &digest)?;
        Ok((digest, size))
    }
}

fn copy_hashing(reader: &mut dyn Read, to: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::create_new(to)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
        size += read as u64;
    }
    Ok((
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        size,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_kept_once_under_their_hash() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = DirBlobs::open(folder.path()).unwrap();
        let first = blobs.put(&mut &b"hello"[..]).unwrap();
        assert_eq!(first, blobs.put(&mut &b"hello"[..]).unwrap());
        assert_eq!(
            first.0,
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        let path = blobs.path(&first.0).unwrap();
        assert_eq!(fs::read(path).unwrap(), b"hello");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no part file stays behind"
        );
    }

    #[test]
    fn a_name_that_is_no_hash_finds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = DirBlobs::open(folder.path()).unwrap();
        assert_eq!(blobs.path("../../../etc/passwd"), None);
        assert_eq!(blobs.path(""), None);
    }
}
