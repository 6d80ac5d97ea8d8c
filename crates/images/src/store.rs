use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::ImageError;
use crate::root::Root;

/// Images in a folder, each below its digest.
#[derive(Clone, Debug)]
pub struct Images {
    folder: PathBuf,
}

/// An image that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it was made from, as a user names it: `debian`, `oci:…`.
    pub name: String,
    /// `sha256:…` of what it was made from.
    pub digest: String,
    /// Where its root file system is.
    #[serde(skip)]
    pub root: PathBuf,
    /// When it was made, seconds since 1970.
    pub made: u64,
    /// What is in it, in a few words.
    pub about: String,
}

impl Kept {
    /// Name and digest, as reports have it.
    pub fn title(&self) -> String {
        let digest = self.digest.get(..19).unwrap_or(&self.digest);
        format!("{} ({digest})", self.name)
    }
}

impl Images {
    /// Those below a cache folder.
    pub fn new(cache_dir: &Path) -> Self {
        Self {
            folder: cache_dir.join("images"),
        }
    }

    /// All that are kept, newest first.
    pub fn list(&self) -> Vec<Kept> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut kept: Vec<_> = entries.filter_map(|entry| read(&entry.path())).collect();
        kept.sort_by(|a, b| b.made.cmp(&a.made).then_with(|| a.digest.cmp(&b.digest)));
        kept
    }

    /// The newest of this name.
    pub fn named(&self, name: &str) -> Option<Kept> {
        self.list().into_iter().find(|kept| kept.name == name)
    }

    /// The one of this digest.
    pub(crate) fn of_digest(&self, digest: &str) -> Option<Kept> {
        read(&self.folder.join(folder_name(digest)))
    }

    /// Removes those of a name, or whose digest begins so; how many there were. A run that uses one goes on with what
    /// it has opened.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn remove(&self, which: &str) -> Result<usize, ImageError> {
        let meant = |kept: &Kept| {
            let digest = kept.digest.trim_start_matches("sha256:");
            kept.name == which
                || (which.len() >= 6 && digest.starts_with(which.trim_start_matches("sha256:")))
        };
        let found: Vec<_> = self.list().into_iter().filter(meant).collect();
        for kept in &found {
            let folder = self.folder.join(folder_name(&kept.digest));
            fs::remove_dir_all(&folder).map_err(ImageError::io("remove", &folder))?;
        }
        Ok(found.len())
    }

    /// Builds an image in a folder of its own, which becomes visible when it is whole. An image of the same digest that
    /// is there already stays.
    pub(crate) fn build(
        &self,
        name: &str,
        digest: &str,
        about: String,
        fill: impl FnOnce(&mut Root) -> Result<(), ImageError>,
    ) -> Result<Kept, ImageError> {
        if let Some(kept) = self.of_digest(digest).filter(|kept| kept.name == name) {
            return Ok(kept);
        }
        let mut bytes = [0; 8];
        // Without randomness two builds at once meet, and one of them fails.
        let _ = getrandom::fill(&mut bytes);
        let work = self
            .folder
            .join(format!(".{:016x}", u64::from_le_bytes(bytes)));
        let made = self.fill(&work, name, digest, about, fill);
        if made.is_err() {
            // What is left is not visible, and a later clean-up of the cache takes it.
            let _ = fs::remove_dir_all(&work);
        }
        made
    }

    fn fill(
        &self,
        work: &Path,
        name: &str,
        digest: &str,
        about: String,
        fill: impl FnOnce(&mut Root) -> Result<(), ImageError>,
    ) -> Result<Kept, ImageError> {
        fill(&mut Root::create(work.join("root"))?)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let folder = self.folder.join(folder_name(digest));
        let kept = Kept {
            name: name.to_owned(),
            digest: digest.to_owned(),
            root: folder.join("root"),
            made: now.map_or(0, |now| now.as_secs()),
            about,
        };
        let note = serde_json::to_vec_pretty(&kept).unwrap_or_default();
        let path = work.join("image.json");
        fs::write(&path, note).map_err(ImageError::io("write", &path))?;
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(ImageError::io("replace", &folder))?;
        }
        fs::rename(work, &folder).map_err(ImageError::io("keep", &folder))?;
        Ok(kept)
    }
}

fn folder_name(digest: &str) -> String {
    digest
        .trim_start_matches("sha256:")
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(64)
        .collect()
}

fn read(folder: &Path) -> Option<Kept> {
    let note = fs::read(folder.join("image.json")).ok()?;
    let kept: Kept = serde_json::from_slice(&note).ok()?;
    let hidden = folder.file_name()?.to_string_lossy().starts_with('.');
    (!hidden).then(|| Kept {
        root: folder.join("root"),
        ..kept
    })
}
