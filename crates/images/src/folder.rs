use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::store::Kept;
use crate::{ImageError, ImageRef};

/// Most entries that are looked at for the digest.
const MOST: usize = 500_000;

impl ImageRef {
    /// A folder of the user's, used where it is.
    ///
    /// # Errors
    /// When it holds no root file system.
    pub fn of_folder(path: &Path) -> Result<Kept, ImageError> {
        let root = fs::canonicalize(path).map_err(ImageError::io("open", path))?;
        let no_root = |why| ImageError::NoRoot {
            path: path.to_owned(),
            why,
        };
        if root == Path::new("/") {
            return Err(no_root("it is this machine's own: use host"));
        }
        if !root.join("bin").exists() && !root.join("usr/bin").exists() {
            return Err(no_root("neither bin nor usr/bin is in it"));
        }
        Ok(Kept {
            name: format!("dir:{}", path.display()),
            digest: digest(&root)?,
            root,
            made: 0,
            about: "a folder".to_owned(),
        })
    }
}

/// Of names, kinds, sizes and times: the content of gigabytes is not read for every run.
fn digest(root: &Path) -> Result<String, ImageError> {
    let mut hash = Sha256::new();
    let mut pending = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(folder) = pending.pop() {
        let mut entries: Vec<_> = fs::read_dir(&folder)
            .map_err(ImageError::io("list", &folder))?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        entries.sort();
        for path in entries {
            seen += 1;
            if seen > MOST {
                return Err(ImageError::TooLarge("500,000 files"));
            }
            let Ok(data) = fs::symlink_metadata(&path) else {
                continue;
            };
            let state = format!("{:o} {} {}", data.mode(), data.len(), data.mtime());
            hash.update(
                path.strip_prefix(root)
                    .unwrap_or(&path)
                    .as_os_str()
                    .as_bytes(),
            );
            hash.update(state);
            if data.is_dir() {
                pending.push(path);
            }
        }
    }
    Ok(crate::oci::sha256_name(hash))
}
