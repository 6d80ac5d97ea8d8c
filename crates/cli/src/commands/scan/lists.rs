//! Which lists there are, and what is in them.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use apa_lockfile::{Entry, Files, Kind, Listing, Merged};
use apa_model::scan::ScanSource;
use apa_model::{ExitCode, Hostile};

use super::super::Failure;
use super::shown;

/// Folders that hold other people's packages, or what was built.
const SKIPPED: [&str; 9] = [
    "node_modules",
    "target",
    "vendor",
    "venv",
    "site-packages",
    "__pycache__",
    "dist",
    "build",
    "bower_components",
];
/// Deepest folder that is looked into.
const DEPTH: usize = 12;
/// Most lists that are read.
const LISTS: usize = 500;
/// Most names of files and folders that are looked at.
const NAMES: usize = 500_000;

/// A list that was read, or why not.
pub(super) struct List {
    pub(super) path: PathBuf,
    pub(super) source: ScanSource,
    pub(super) entries: Vec<Entry>,
}

/// Reads all lists that the user named.
///
/// A single file that cannot be read stops everything; one of a folder is a gap.
pub(super) fn read(given: &[PathBuf]) -> Result<Vec<List>, Failure> {
    let mut lists = Vec::new();
    for path in given {
        let metadata = fs::metadata(path).map_err(|error| unusable(path, &error.to_string()))?;
        if metadata.is_dir() {
            let mut found = Found::default();
            found.walk(path, 0);
            if found.lists.is_empty() {
                return Err(unusable(path, "no lock file or SBOM is in it; name one"));
            }
            found.lists.sort();
            let cut = found.cut;
            let first = lists.len();
            for path in found.lists {
                lists.push(match open(&path) {
                    Ok(listing) => list(path, listing),
                    Err(why) => failed(path, &why),
                });
            }
            if cut {
                let gap = "there is more in the folder than is looked at; name its parts";
                lists[first].source.gaps.push(Hostile::from(gap));
            }
        } else {
            let listing = open(path).map_err(|why| unusable(path, &why))?;
            lists.push(list(path.clone(), listing));
        }
    }
    Ok(lists)
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure {
        error: anyhow::anyhow!("{}: {why}", shown(path)),
        code: ExitCode::Unsupported,
    }
}

fn list(path: PathBuf, listing: Listing) -> List {
    List {
        source: ScanSource {
            path: shown(&path),
            kind: Some(listing.kind.to_string()),
            entries: listing.entries.len() as u64,
            gaps: listing.gaps,
        },
        entries: listing.entries,
        path,
    }
}

fn failed(path: PathBuf, why: &str) -> List {
    List {
        source: ScanSource {
            path: shown(&path),
            kind: None,
            entries: 0,
            gaps: vec![Hostile::from(why)],
        },
        entries: Vec::new(),
        path,
    }
}

/// Each package once.
pub(super) fn merge(lists: Vec<List>) -> Vec<Merged> {
    let named: Vec<(String, Vec<Entry>)> = lists
        .into_iter()
        .map(|list| (list.path.to_string_lossy().into_owned(), list.entries))
        .collect();
    apa_lockfile::merge(
        named
            .iter()
            .map(|(path, entries)| (path.as_str(), entries.clone())),
    )
}

fn open(path: &Path) -> Result<Listing, String> {
    let bytes = bytes(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parse(&name, &bytes, path)
}

/// Reads the text of a list that stands, or stood, at `path`.
pub(super) fn parse(name: &str, bytes: &[u8], path: &Path) -> Result<Listing, String> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => Path::new("/"),
    };
    let mut files = Beside {
        folder: folder.to_owned(),
        root: project(folder),
    };
    apa_lockfile::parse(name, bytes, &mut files).map_err(|error| error.to_string())
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    if metadata.len() > apa_lockfile::MAX_BYTES as u64 {
        return Err(apa_lockfile::LockfileError::TooLarge.to_string());
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// The files around a list, within its project: a list may not make us read others.
struct Beside {
    folder: PathBuf,
    root: Option<PathBuf>,
}

impl Files for Beside {
    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        let full = self.folder.join(path).canonicalize().ok()?;
        full.starts_with(self.root.as_ref()?)
            .then(|| bytes(&full).ok())?
    }
}

/// The folder that `folder` belongs to: the one under version control, else itself.
fn project(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let top = folder.ancestors().find(|above| above.join(".git").exists());
    Some(top.unwrap_or(&folder).to_owned())
}

/// Lists below a folder.
#[derive(Default)]
struct Found {
    lists: Vec<PathBuf>,
    names: usize,
    cut: bool,
}

impl Found {
    fn walk(&mut self, folder: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            self.cut = true;
            return;
        };
        for entry in entries.flatten() {
            self.names += 1;
            if self.names > NAMES || self.lists.len() >= LISTS {
                self.cut = true;
                return;
            }
            let (Ok(kind), name) = (entry.file_type(), entry.file_name()) else {
                continue;
            };
            let skipped =
                name.as_bytes().starts_with(b".") || SKIPPED.iter().any(|skip| name == *skip);
            if kind.is_dir() && !skipped && depth < DEPTH {
                self.walk(&entry.path(), depth + 1);
            } else if kind.is_dir() && !skipped {
                self.cut = true;
            } else if kind.is_file() && Kind::of_name(&name.to_string_lossy()).is_some() {
                self.lists.push(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_below_a_folder_but_not_in_installed_packages() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "a/yarn.lock",
            "a/node_modules/b/yarn.lock",
            ".git/Cargo.lock",
            "c/x.txt",
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        let mut found = Found::default();
        found.walk(folder.path(), 0);
        assert_eq!(found.lists, [folder.path().join("a/yarn.lock")]);
    }

    #[test]
    fn a_list_cannot_make_us_read_outside_its_project() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("project/sub");
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir(folder.path().join("project/.git")).unwrap();
        fs::write(folder.path().join("secret.txt"), "a==1\n").unwrap();
        fs::write(folder.path().join("project/common.txt"), "b==1\n").unwrap();
        std::os::unix::fs::symlink("../../secret.txt", inside.join("link.txt")).unwrap();
        let list = inside.join("requirements.txt");
        fs::write(
            &list,
            "-r ../common.txt\n-r ../../secret.txt\n-r link.txt\n",
        )
        .unwrap();
        let listing = open(&list).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!((listing.entries.len(), listing.gaps.len()), (1, 2));
    }
}
