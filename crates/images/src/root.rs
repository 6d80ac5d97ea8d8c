//! A root file system that is being put together. Every link in it is followed inside it: by name, for nobody else
//! writes there.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use apa_archive::{Entry, EntryKind};

use crate::ImageError;

/// Most links that are followed on the way to one file.
const MOST_LINKS: usize = 40;
/// Most files of an image.
const MOST_FILES: usize = 500_000;
/// Most bytes of an image.
const MOST_BYTES: u64 = 8 << 30;

/// A folder that becomes a root file system.
pub(crate) struct Root {
    path: PathBuf,
    files: usize,
    bytes: u64,
}

impl Root {
    pub(crate) fn create(path: PathBuf) -> Result<Self, ImageError> {
        fs::create_dir_all(&path).map_err(ImageError::io("make", &path))?;
        Ok(Self {
            path,
            files: 0,
            bytes: 0,
        })
    }

    /// Where something of the root is on the host, the links above it followed inside the root.
    fn place(&self, path: &str) -> Option<PathBuf> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") {
            return None;
        }
        Some(self.path.join(inside(&self.path, above)).join(name))
    }

    fn count(&mut self, bytes: u64) -> Result<(), ImageError> {
        self.files += 1;
        self.bytes += bytes;
        if self.files > MOST_FILES {
            return Err(ImageError::TooLarge("500,000 files"));
        }
        if self.bytes > MOST_BYTES {
            return Err(ImageError::TooLarge("8 GiB"));
        }
        Ok(())
    }

    /// A folder; what else is there gives way, unless it is a link to a folder.
    pub(crate) fn folder(&mut self, path: &str, mode: u32) -> Result<(), ImageError> {
        self.count(0)?;
        let Some(place) = self.place(path) else {
            return Ok(());
        };
        let target = self.path.join(inside(&self.path, path));
        if !target.is_dir() {
            self.make_folders(&place)?;
        }
        let folder = if target.is_dir() { target } else { place };
        // The owner of the files is who runs this program, and has to get in.
        let mode = fs::Permissions::from_mode(mode & 0o777 | 0o700);
        fs::set_permissions(&folder, mode).map_err(ImageError::io("change", &folder))
    }

    /// A file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<(), ImageError> {
        self.count(bytes.len() as u64)?;
        let Some(place) = self.ready(path)? else {
            return Ok(());
        };
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode & 0o777)
            .open(&place)
            .map_err(ImageError::io("write", &place))?;
        file.write_all(bytes)
            .map_err(ImageError::io("write", &place))?;
        // Not narrowed by the umask.
        let mode = fs::Permissions::from_mode(mode & 0o777 | 0o400);
        file.set_permissions(mode)
            .map_err(ImageError::io("change", &place))
    }

    /// A symbolic link; where it points is nobody's business here.
    pub(crate) fn link(&mut self, path: &str, target: &[u8]) -> Result<(), ImageError> {
        self.count(0)?;
        let Some(place) = self.ready(path)? else {
            return Ok(());
        };
        let target = std::ffi::OsStr::from_bytes(target);
        symlink(target, &place).map_err(ImageError::io("link", &place))
    }

    /// A second name of a file that is there.
    fn hard_link(&mut self, path: &str, first: &str) -> Result<(), ImageError> {
        self.count(0)?;
        let first = self.path.join(inside(&self.path, first));
        let (Some(place), true) = (self.ready(path)?, first.is_file()) else {
            return Ok(());
        };
        fs::hard_link(&first, &place).map_err(ImageError::io("link", &place))
    }

    /// Makes a folder and those above it, in place of whatever else is there.
    fn make_folders(&self, folder: &Path) -> Result<(), ImageError> {
        let below = folder.strip_prefix(&self.path).unwrap_or(Path::new(""));
        let mut place = self.path.clone();
        for part in below.components() {
            place.push(part);
            if fs::symlink_metadata(&place).is_ok_and(|found| !found.is_dir()) {
                clear(&place)?;
            }
        }
        fs::create_dir_all(folder).map_err(ImageError::io("make", folder))
    }

    /// The folder above is made, and what is in the way removed.
    fn ready(&self, path: &str) -> Result<Option<PathBuf>, ImageError> {
        let Some(place) = self.place(path) else {
            return Ok(None);
        };
        if let Some(above) = place.parent() {
            self.make_folders(above)?;
        }
        clear(&place)?;
        Ok(Some(place))
    }

    /// Whether something is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.place(path)
            .is_some_and(|place| fs::symlink_metadata(place).is_ok())
    }

    /// Removes something with everything below it.
    pub(crate) fn remove(&self, path: &str) -> Result<(), ImageError> {
        match self.place(path) {
            Some(place) => clear(&place),
            None => Ok(()),
        }
    }

    /// Removes everything below a folder.
    pub(crate) fn empty(&self, path: &str) -> Result<(), ImageError> {
        let folder = self.path.join(inside(&self.path, path));
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            clear(&entry.path())?;
        }
        Ok(())
    }

    /// What an archive holds. Devices, and names that leave the root, are left out.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<(), ImageError> {
        let Some(path) = entry.safe_path.as_deref().filter(|path| !path.is_empty()) else {
            return Ok(());
        };
        match &entry.kind {
            EntryKind::Directory => self.folder(path, entry.mode),
            EntryKind::File if entry.kept => self.file(path, entry.mode, &entry.bytes),
            EntryKind::File => Err(ImageError::TooLarge("what can be unpacked at once")),
            EntryKind::Symlink { target } => self.link(path, target.as_bytes()),
            EntryKind::Hardlink { target } => self.hard_link(path, &target.lossy()),
            EntryKind::Special => Ok(()),
        }
    }
}

/// The path below `root` that a path inside it leads to, without a leading slash.
pub(crate) fn inside(root: &Path, path: &str) -> String {
    let mut pending: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut found: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                found.pop();
                continue;
            }
            _ => found.push(part),
        }
        let Ok(target) = fs::read_link(root.join(found.join("/"))) else {
            continue;
        };
        found.pop();
        links += 1;
        if links > MOST_LINKS {
            continue;
        }
        let target = target.to_string_lossy().into_owned();
        if target.starts_with('/') {
            found.clear();
        }
        pending.extend(target.split('/').rev().map(str::to_owned));
    }
    found.join("/")
}

fn clear(place: &Path) -> Result<(), ImageError> {
    let Ok(found) = fs::symlink_metadata(place) else {
        return Ok(());
    };
    let removed = if found.is_dir() {
        fs::remove_dir_all(place)
    } else {
        fs::remove_file(place)
    };
    removed.map_err(ImageError::io("replace", place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_leads_out_of_the_root() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut root = Root::create(folder.path().join("root")).unwrap();
        let away = outside.path().to_string_lossy().into_owned();
        root.link("away", away.as_bytes()).unwrap();
        root.link("up", b"../../../../..").unwrap();
        root.link("loop", b"loop").unwrap();
        for path in ["away/x", "up/x", "loop/x", "../x", "a/../../x", "x/.."] {
            root.file(path, 0o644, b"x").unwrap();
            root.folder(&format!("{path}d"), 0o755).unwrap();
        }
        root.empty("away").unwrap();
        root.remove("up/tmp").unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_of_the_root_are_followed_inside_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut root = Root::create(folder.path().to_owned()).unwrap();
        root.folder("usr/lib", 0o755).unwrap();
        root.link("lib", b"/usr/lib").unwrap();
        root.file("lib/x.so", 0o4755, b"x").unwrap();
        let data = fs::metadata(folder.path().join("usr/lib/x.so")).unwrap();
        assert_eq!(data.permissions().mode() & 0o7777, 0o755);
        // A folder where a link to one is stays the link.
        root.folder("lib", 0o755).unwrap();
        assert!(folder.path().join("lib").is_symlink());
    }
}
