//! Where things of a package lie in the root it is put into.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use apa_apk::{FileKind, Package, PackageFile};
use apa_model::{FileContent, PlannedFile};

use crate::host;

/// Most places that count as the package's own.
const MOST_OWN: usize = 2_000;

/// The root of the image, and the folders in it that are links.
pub(super) struct Layout<'a> {
    root: &'a Path,
    /// Answers so far, by folder.
    known: std::cell::RefCell<BTreeMap<String, String>>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Self {
            root,
            known: std::cell::RefCell::default(),
        }
    }

    /// The absolute path of something in the root, with the image's own links followed: `lib/x` is `/usr/lib/x` where
    /// `/lib` is a link.
    pub(super) fn place(&self, path: &str) -> String {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut known = self.known.borrow_mut();
        let folder = known
            .entry(folder.to_owned())
            .or_insert_with(|| host::inside(self.root, folder));
        format!("{}/{name}", folder.trim_end_matches('/'))
    }

    /// Whether the image has this file.
    pub(super) fn has(&self, path: &str) -> bool {
        let inside = self.place(path.trim_start_matches('/'));
        self.root.join(inside.trim_start_matches('/')).exists()
            || self.root.join(inside.trim_start_matches('/')).is_symlink()
    }

    /// The package's files, ready to be put in place.
    pub(super) fn files(&self, package: &Package) -> Vec<PlannedFile> {
        package.files.iter().map(|file| self.file(file)).collect()
    }

    fn file(&self, file: &PackageFile) -> PlannedFile {
        let content = match &file.kind {
            FileKind::File(bytes) => FileContent::Shared(bytes.clone()),
            FileKind::Folder => FileContent::Folder,
            FileKind::Link(target) => FileContent::Link(target.clone()),
        };
        let path = match &file.kind {
            // A folder of the package where the image has a link is what the link leads to.
            FileKind::Folder => self.place(&format!("{}/.", file.path)),
            _ => self.place(&file.path),
        };
        PlannedFile {
            path: path.trim_end_matches("/.").to_owned(),
            content,
            mode: file.mode,
        }
    }

    /// Files and folders that only this package has.
    pub(super) fn own(&self, package: &Package) -> Vec<String> {
        let own: BTreeSet<_> = package
            .files
            .iter()
            .filter(|file| !matches!(file.kind, FileKind::Folder))
            .map(|file| self.place(own_place(&file.path)))
            .collect();
        own.into_iter().take(MOST_OWN).collect()
    }
}

/// The folder that holds a file and nothing of other packages, or the file itself.
fn own_place(path: &str) -> &str {
    const SHARED: [&str; 8] = [
        "systemd",
        "pkgconfig",
        "locale",
        "man",
        "doc",
        "applications",
        "icons",
        "bash-completion",
    ];
    let parts: Vec<&str> = path.split('/').collect();
    let depth = match parts[..] {
        ["usr", "lib", "node_modules", scope, _, _, ..] if scope.starts_with('@') => 5,
        ["usr", "lib", "node_modules", _, _, ..] => 4,
        ["usr", "lib", python, "site-packages", _, _, ..] if python.starts_with("python") => 5,
        ["usr", "lib", python, ..] if python.starts_with("python") => return path,
        ["usr", "lib", "node_modules", ..] => return path,
        ["usr", "lib" | "share" | "libexec", folder, _, ..] if !SHARED.contains(&folder) => 3,
        _ => return path,
    };
    let end: usize = parts[..depth].iter().map(|part| part.len() + 1).sum();
    &path[..end - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_own_folder_is_told_from_shared_ones() {
        for (path, own) in [
            ("usr/bin/x", "usr/bin/x"),
            ("usr/lib/node_modules/a/b/c.js", "usr/lib/node_modules/a"),
            (
                "usr/lib/node_modules/@s/a/c.js",
                "usr/lib/node_modules/@s/a",
            ),
            (
                "usr/lib/python3.12/site-packages/m/x.py",
                "usr/lib/python3.12/site-packages/m",
            ),
            (
                "usr/lib/python3.12/site-packages/m.py",
                "usr/lib/python3.12/site-packages/m.py",
            ),
            ("usr/share/x/y/z", "usr/share/x"),
            ("usr/share/man/man1/x.1", "usr/share/man/man1/x.1"),
            ("etc/cron.d/x", "etc/cron.d/x"),
        ] {
            assert_eq!(own_place(path), own);
        }
    }

    #[test]
    fn links_of_the_image_are_followed_inside_it() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        std::os::unix::fs::symlink("usr/lib", root.path().join("lib")).unwrap();
        std::os::unix::fs::symlink("/../../usr", root.path().join("odd")).unwrap();
        let layout = Layout::new(root.path());
        assert_eq!(layout.place("lib/apk/x"), "/usr/lib/apk/x");
        assert_eq!(layout.place("odd/lib/x"), "/usr/lib/x");
        assert_eq!(layout.place("x"), "/x");
    }
}
