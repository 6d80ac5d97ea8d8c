use std::sync::Arc;

use apa_archive::{Archive, Entry, EntryKind, Format};
use apa_model::Hostile;

use crate::PkgInfo;

/// Scripts of a package, by the names `apk` has for them, in the order of a package's life.
pub const HOOKS: [&str; 7] = [
    "pre-install",
    "post-install",
    "trigger",
    "pre-upgrade",
    "post-upgrade",
    "pre-deinstall",
    "post-deinstall",
];

/// A package as its archive has it.
#[derive(Clone, Debug)]
pub struct Package {
    /// What it says about itself.
    pub info: PkgInfo,
    /// Its scripts, in the order of [`HOOKS`].
    pub scripts: Vec<(&'static str, Arc<[u8]>)>,
    /// What it installs, in the order of the archive: names that are safe below a root, and nothing special.
    pub files: Vec<PackageFile>,
    /// What `apk` would install and we leave out (devices, names that leave the root, content not kept).
    pub left_out: usize,
}

/// One thing a package installs.
#[derive(Clone, Debug)]
pub struct PackageFile {
    /// Below the root, without a leading slash.
    pub path: String,
    /// Permission bits, without setuid and the like.
    pub mode: u32,
    /// What it is.
    pub kind: FileKind,
}

/// What a [`PackageFile`] is.
#[derive(Clone, Debug)]
pub enum FileKind {
    /// A regular file; a second name of one has the same bytes.
    File(Arc<[u8]>),
    /// A folder.
    Folder,
    /// A symbolic link to this.
    Link(Hostile),
}

impl Package {
    /// The package in an archive; `None` when it is none, or one without a name.
    pub fn read(archive: &Archive) -> Option<Self> {
        if archive.format != Format::Apk {
            return None;
        }
        let control = archive.part("control")?.entries.clone();
        let control = archive.entries.get(control)?;
        let named = |name: &str| {
            let is = |entry: &&Entry| entry.path.as_bytes() == name.as_bytes() && entry.kept;
            control.iter().rev().find(is)
        };
        let info = PkgInfo::parse(&String::from_utf8_lossy(&named(".PKGINFO")?.bytes));
        if info.name.is_empty() {
            return None;
        }
        let scripts = HOOKS
            .iter()
            .filter_map(|hook| Some((*hook, Arc::clone(&named(&format!(".{hook}"))?.bytes))))
            .collect();
        let mut package = Self {
            info,
            scripts,
            files: Vec::new(),
            left_out: 0,
        };
        for part in archive
            .parts
            .iter()
            .filter(|part| part.name.as_bytes() == b"data")
        {
            for entry in archive
                .entries
                .get(part.entries.clone())
                .unwrap_or_default()
            {
                package.take(archive, entry);
            }
        }
        Some(package)
    }

    fn take(&mut self, archive: &Archive, entry: &Entry) {
        // `apk` passes over what begins with a dot at the top.
        if entry.path.as_bytes().starts_with(b".") && !entry.path.as_bytes().contains(&b'/') {
            return;
        }
        let kind = match &entry.kind {
            EntryKind::File if entry.kept => Some(FileKind::File(Arc::clone(&entry.bytes))),
            EntryKind::Directory => Some(FileKind::Folder),
            EntryKind::Symlink { target } => Some(FileKind::Link(target.clone())),
            EntryKind::Hardlink { target } => {
                let path = target.lossy();
                let first = archive.file(path.trim_start_matches('/'));
                first.map(|first| FileKind::File(Arc::clone(&first.bytes)))
            }
            EntryKind::File | EntryKind::Special => None,
        };
        match (entry.safe_path.as_deref(), kind) {
            (Some(""), _) => {}
            (Some(path), Some(kind)) => self.files.push(PackageFile {
                path: path.to_owned(),
                mode: entry.mode & 0o777,
                kind,
            }),
            _ => self.left_out += 1,
        }
    }

    /// The script of a hook.
    pub fn script(&self, hook: &str) -> Option<&Arc<[u8]>> {
        let found = self.scripts.iter().find(|(name, _)| *name == hook);
        found.map(|(_, script)| script)
    }
}
