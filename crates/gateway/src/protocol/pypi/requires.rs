//! Names that a Python artifact depends on, read from its metadata: the sandbox may ask for these.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use apa_model::{Ecosystem, PackageRef};
use flate2::bufread::GzDecoder;

/// Most bytes read of one metadata file, and of one sdist in search of them.
const METADATA_BYTES: u64 = 4 << 20;
const SDIST_BYTES: u64 = 64 << 20;
/// Largest wheel that is opened, bytes: its directory is held in memory.
const WHEEL_BYTES: u64 = 64 << 20;
/// Most entries looked at in one artifact.
const ENTRIES: usize = 50_000;

/// Names in the `Requires-Dist` lines of a metadata file.
pub(crate) fn in_metadata(text: &str) -> BTreeSet<String> {
    text.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case("Requires-Dist").then_some(value)
        })
        .filter_map(name)
        .collect()
}

/// Names that the wheel or sdist at `path` depends on, to run or to be built. What cannot be read names
/// nothing: such a dependency then counts against the budget.
pub(crate) fn in_artifact(path: &Path, filename: &str) -> BTreeSet<String> {
    let Ok(file) = File::open(path) else {
        return BTreeSet::new();
    };
    if filename.ends_with(".tar.gz") {
        in_sdist(file)
    } else {
        in_zip(file)
    }
}

fn in_zip(file: File) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if file.metadata().is_ok_and(|about| about.len() > WHEEL_BYTES) {
        return names;
    }
    let Ok(mut archive) = zip::ZipArchive::new(BufReader::new(file)) else {
        return names;
    };
    for at in 0..archive.len().min(ENTRIES) {
        let kind = archive
            .name_for_index(at)
            .and_then(|name| Kind::of(name.as_bytes()));
        if let (Some(kind), Ok(entry)) = (kind, archive.by_index(at)) {
            names.extend(kind.names(entry));
        }
    }
    names
}

fn in_sdist(file: File) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let unpacked = GzDecoder::new(BufReader::new(file)).take(SDIST_BYTES);
    let mut archive = tar::Archive::new(unpacked);
    let Ok(entries) = archive.entries() else {
        return names;
    };
    for entry in entries.take(ENTRIES).flatten() {
        if let Some(kind) = Kind::of(&entry.path_bytes()) {
            names.extend(kind.names(entry));
        }
    }
    names
}

/// Files that name dependencies.
enum Kind {
    /// `METADATA`, `PKG-INFO`.
    Metadata,
    /// `requires.txt` of setuptools.
    List,
    /// `pyproject.toml`.
    Project,
}

impl Kind {
    fn of(path: &[u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?;
        let depth = path.matches('/').count();
        let (_, name) = path.rsplit_once('/')?;
        match name {
            "METADATA" if path.contains(".dist-info/") => Some(Self::Metadata),
            "PKG-INFO" if depth == 1 => Some(Self::Metadata),
            "requires.txt" if path.contains(".egg-info/") => Some(Self::List),
            "pyproject.toml" if depth == 1 => Some(Self::Project),
            _ => None,
        }
    }

    fn names(&self, file: impl Read) -> BTreeSet<String> {
        let mut text = Vec::new();
        // A cut or damaged file still names what came before.
        let _ = file.take(METADATA_BYTES).read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        match self {
            Self::Metadata => in_metadata(&text),
            Self::List => text
                .lines()
                .filter(|line| !line.starts_with('['))
                .filter_map(name)
                .collect(),
            Self::Project => quoted(&text).filter_map(name).collect(),
        }
    }
}

/// Every quoted text inside the lists `requires` and `dependencies` of a project file. Reading a little too much
/// does no harm: a name has to exist before it can be fetched.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let lists = text.match_indices('[').filter_map(|(at, _)| {
        let before = text[..at]
            .lines()
            .next_back()?
            .trim_end()
            .strip_suffix('=')?
            .trim();
        let list = before == "requires" || before == "dependencies";
        list.then(|| text[at..].split("\n[").next().unwrap_or_default())
    });
    lists.flat_map(|list| {
        let end = list.rfind(']').unwrap_or(list.len());
        list[..end].split(['"', '\'']).skip(1).step_by(2)
    })
}

/// The project's name at the start of a requirement.
fn name(requirement: &str) -> Option<String> {
    let requirement = requirement.trim_start();
    let end = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
        .unwrap_or(requirement.len());
    let package = PackageRef::new(Ecosystem::Pypi, &requirement[..end], None);
    package.ok().map(|package| package.name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requirements_of_every_form_give_their_name() {
        let text = "Name: demo\nRequires-Dist: Foo_Bar[x]>=1 ; extra == 'y'\nrequires-dist: b @ https://x.test/b\n\
                    Requires-Dist: ../evil\n\nRequires-Dist: in-the-description\n";
        assert_eq!(
            in_metadata(text),
            ["b", "foo-bar"].map(str::to_owned).into()
        );
        let project = "[build-system]\nrequires = [\n  \"hatchling>=1\",\n  'hatch-vcs',\n]\n\
                       [project]\nname = \"x\"\ndependencies=[\"idna\"]\n[tool.x]\nother = [\"no\"]\n";
        let names: BTreeSet<_> = quoted(project).filter_map(name).collect();
        assert_eq!(
            names,
            ["hatch-vcs", "hatchling", "idna"].map(str::to_owned).into()
        );
    }

    #[test]
    fn a_file_that_is_no_archive_names_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "nonsense").unwrap();
        for name in ["a.tar.gz", "a.whl", "a.zip"] {
            assert!(in_artifact(file.path(), name).is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_project_file_gives_names(text in "(\\[|\\]|requires|dependencies|=|\n|\"|'|é|[a-z.-]{0,4}| ){0,40}") {
            for name in quoted(&text).filter_map(name) {
                prop_assert!(PackageRef::new(Ecosystem::Pypi, &name, None).is_ok());
            }
            in_metadata(&text);
        }
    }
}
