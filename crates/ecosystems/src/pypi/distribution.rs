use std::collections::BTreeSet;

use apa_archive::{Archive, Entry, EntryKind, Format};
use apa_model::ArtifactKind;

/// Most lines of a metadata file that are looked at.
const MOST_LINES: usize = 5_000;

/// A wheel or source distribution with its metadata.
pub(super) struct Distribution<'a> {
    pub(super) kind: ArtifactKind,
    archive: &'a Archive,
    /// The single top folder of a source distribution, with a slash at the end; empty for a wheel.
    top: String,
    /// `NAME.dist-info/` or `NAME.egg-info/`, where there is one; with `top`.
    info: Option<String>,
    headers: Vec<(String, String)>,
    /// Every regular file, relative to the top.
    pub(super) files: BTreeSet<String>,
}

impl<'a> Distribution<'a> {
    /// Tells by the content what an archive is; `None` when it is no distribution.
    pub(super) fn read(archive: &'a Archive) -> Option<Self> {
        Self::wheel(archive).or_else(|| Self::sdist(archive))
    }

    fn wheel(archive: &'a Archive) -> Option<Self> {
        if archive.format != Format::Zip {
            return None;
        }
        let info = files(archive).find_map(|(path, _)| {
            let folder = path.strip_suffix(".dist-info/WHEEL")?;
            (!folder.contains('/')).then(|| format!("{folder}.dist-info/"))
        })?;
        let metadata = archive.file(&format!("{info}METADATA"))?;
        Some(Self {
            kind: ArtifactKind::Wheel,
            archive,
            top: String::new(),
            headers: headers(&text(metadata)),
            info: Some(info),
            files: files(archive).map(|(path, _)| path.to_owned()).collect(),
        })
    }

    /// What an installation has left in `site-packages`, the folder at the archive's top.
    pub(super) fn installed(archive: &'a Archive) -> Self {
        let top = archive
            .strip_top()
            .map(|top| format!("{top}/"))
            .unwrap_or_default();
        let info = files(archive).find_map(|(path, _)| {
            let folder = path.strip_suffix(".dist-info/METADATA")?;
            Some(format!("{folder}.dist-info/"))
        });
        let metadata = info
            .as_ref()
            .and_then(|info| archive.file(&format!("{info}METADATA")));
        Self {
            kind: ArtifactKind::Wheel,
            archive,
            headers: metadata
                .map(|entry| headers(&text(entry)))
                .unwrap_or_default(),
            info,
            files: files(archive)
                .filter_map(|(path, _)| path.strip_prefix(top.as_str()))
                .map(str::to_owned)
                .collect(),
            top,
        }
    }

    fn sdist(archive: &'a Archive) -> Option<Self> {
        let top = archive
            .strip_top()
            .map(|top| format!("{top}/"))
            .unwrap_or_default();
        let has = |name: &str| archive.file(&format!("{top}{name}"));
        let built = ["setup.py", "pyproject.toml", "setup.cfg"];
        if has("PKG-INFO").is_none() && !built.iter().any(|name| has(name).is_some()) {
            return None;
        }
        let info = files(archive).find_map(|(path, _)| {
            let folder = path
                .strip_prefix(top.as_str())?
                .strip_suffix(".egg-info/PKG-INFO")?;
            (folder.matches('/').count() <= 1).then(|| format!("{top}{folder}.egg-info/"))
        });
        let metadata =
            has("PKG-INFO").or_else(|| archive.file(&format!("{}PKG-INFO", info.as_deref()?)));
        Some(Self {
            kind: ArtifactKind::Sdist,
            archive,
            headers: metadata
                .map(|entry| headers(&text(entry)))
                .unwrap_or_default(),
            info,
            files: files(archive)
                .filter_map(|(path, _)| path.strip_prefix(top.as_str()))
                .map(str::to_owned)
                .collect(),
            top,
        })
    }

    /// The first header of this name that is not empty.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A file relative to the top.
    pub(super) fn file(&self, path: &str) -> Option<&Entry> {
        self.archive.file(&format!("{}{path}", self.top))
    }

    /// A text file beside the metadata.
    pub(super) fn info_text(&self, name: &str) -> Option<String> {
        let path = format!("{}{name}", self.info.as_deref()?);
        self.archive.file(&path).map(text)
    }

    /// Names it needs when it is installed without extras.
    pub(super) fn requires(&self) -> Vec<String> {
        let declared = self
            .headers
            .iter()
            .filter(|(key, value)| key.eq_ignore_ascii_case("Requires-Dist") && !is_extra(value))
            .filter_map(|(_, value)| requirement_name(value));
        let mut names: Vec<String> = declared.collect();
        if let Some(listed) = self.info_text("requires.txt") {
            let plain = listed
                .lines()
                .take(MOST_LINES)
                .take_while(|line| !line.starts_with('['));
            names.extend(plain.filter_map(requirement_name));
        }
        names.sort();
        names.dedup();
        names
    }

    /// Names its build needs; nothing for a wheel.
    pub(super) fn build_requires(&self) -> Vec<String> {
        if self.kind != ArtifactKind::Sdist {
            return Vec::new();
        }
        let listed = self.pyproject().and_then(|project| {
            let requires = project
                .get("build-system")?
                .get("requires")?
                .as_array()?
                .clone();
            Some(requires)
        });
        let mut names: Vec<_> = listed
            .iter()
            .flatten()
            .filter_map(|requirement| requirement_name(requirement.as_str()?))
            .take(MOST_LINES)
            .collect();
        names.extend(["setuptools", "wheel"].map(str::to_owned));
        names
    }

    /// `pyproject.toml`, if it can be read.
    pub(super) fn pyproject(&self) -> Option<toml::Table> {
        text(self.file("pyproject.toml")?).parse().ok()
    }

    /// Names of console and GUI scripts.
    pub(super) fn scripts(&self) -> BTreeSet<String> {
        let mut scripts = BTreeSet::new();
        let mut wanted = false;
        for line in self
            .info_text("entry_points.txt")
            .unwrap_or_default()
            .lines()
            .take(MOST_LINES)
        {
            let line = line.trim();
            if line.starts_with('[') {
                wanted = matches!(line, "[console_scripts]" | "[gui_scripts]");
            } else if let Some((name, _)) = line.split_once('=')
                && wanted
            {
                scripts.insert(name.trim().to_owned());
            }
        }
        // Those of a wheel's data folder are installed as they are.
        let aside = self.files.iter().take(MOST_LINES).filter_map(|file| {
            let (data, name) = file.split_once(".data/scripts/")?;
            let whole = self.kind == ArtifactKind::Wheel && !data.contains('/');
            whole.then(|| name.to_owned())
        });
        scripts.extend(aside);
        if self.kind == ArtifactKind::Sdist
            && let Some(project) = self.pyproject()
            && let Some(project) = project.get("project")
        {
            let tables = ["scripts", "gui-scripts"].map(|name| project.get(name)?.as_table());
            scripts.extend(
                tables
                    .into_iter()
                    .flatten()
                    .flat_map(toml::Table::keys)
                    .cloned(),
            );
        }
        let data = self.files.iter().filter_map(|file| {
            let (folder, name) = file.split_once(".data/scripts/")?;
            (!folder.contains('/') && self.kind == ArtifactKind::Wheel).then(|| name.to_owned())
        });
        scripts.extend(data);
        scripts.retain(|name| crate::text::plain_filename(name).is_some());
        scripts
    }

    /// Path of the metadata folder of a wheel.
    pub(super) fn info_dir(&self) -> Option<&str> {
        self.info.as_deref()
    }
}

fn files(archive: &Archive) -> impl Iterator<Item = (&str, &Entry)> {
    archive
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File)
        .filter_map(|entry| Some((entry.safe_path.as_deref()?, entry)))
}

fn text(entry: &Entry) -> String {
    String::from_utf8_lossy(&entry.bytes).into_owned()
}

/// Headers up to the first empty line; continued lines are not needed.
fn headers(text: &str) -> Vec<(String, String)> {
    text.lines()
        .take(MOST_LINES)
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

fn is_extra(requirement: &str) -> bool {
    requirement
        .split_once(';')
        .is_some_and(|(_, marker)| marker.contains("extra"))
}

fn requirement_name(requirement: &str) -> Option<String> {
    let name: String = requirement
        .trim()
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .take(128)
        .collect();
    let name = name.trim_end_matches(['-', '_', '.']);
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pack;

    pub(in crate::pypi) fn wheel(files: &[(&str, &str)]) -> Archive {
        let mut all = vec![
            (
                "a-1.0.dist-info/METADATA",
                "Name: A\nVersion: 1.0\nRequires-Dist: b>=1\nRequires-Dist: c; extra == 'x'\n\nName: no\n",
            ),
            ("a-1.0.dist-info/WHEEL", "Tag: py3-none-any\n"),
        ];
        all.extend(files);
        apa_archive::read_bytes(&pack::zip(&all), "a.whl", &apa_archive::Limits::default()).unwrap()
    }

    pub(in crate::pypi) fn sdist(files: &[(&str, &str)]) -> Archive {
        let paths: Vec<_> = files
            .iter()
            .map(|(path, _)| format!("a-1.0/{path}"))
            .collect();
        let all: Vec<_> = paths
            .iter()
            .zip(files)
            .map(|(path, (_, text))| (path.as_str(), *text))
            .collect();
        apa_archive::read_bytes(
            &pack::tar_gz(&all),
            "a.tar.gz",
            &apa_archive::Limits::default(),
        )
        .unwrap()
    }

    #[test]
    fn a_wheel_tells_what_it_needs_and_offers() {
        let archive = wheel(&[
            (
                "a-1.0.dist-info/entry_points.txt",
                "[console_scripts]\nrun-a = a:main\n../x = a:b\n[other]\nz = a:c\n",
            ),
            ("a-1.0.data/scripts/tool", "#!python\n"),
        ]);
        let wheel = Distribution::read(&archive).unwrap();
        assert_eq!(wheel.kind, ArtifactKind::Wheel);
        assert_eq!(
            (wheel.header("Name"), wheel.requires()),
            (Some("A"), vec!["b".to_owned()])
        );
        assert_eq!(
            wheel.scripts().into_iter().collect::<Vec<_>>(),
            ["run-a", "tool"]
        );
    }

    #[test]
    fn a_source_distribution_tells_what_its_build_needs() {
        let archive = sdist(&[
            ("PKG-INFO", "Name: a\nVersion: 1.0\n"),
            (
                "pyproject.toml",
                "[build-system]\nrequires = [\"flit_core>=3\"]\n[project.scripts]\nrun-a = 'a:b'\n",
            ),
            ("a.egg-info/PKG-INFO", "Name: a\n"),
            ("a.egg-info/requires.txt", "b>1\n\n[x]\nc\n"),
        ]);
        let sdist = Distribution::read(&archive).unwrap();
        assert_eq!(sdist.kind, ArtifactKind::Sdist);
        assert_eq!(sdist.build_requires(), ["flit_core", "setuptools", "wheel"]);
        assert_eq!(sdist.requires(), ["b"]);
        assert!(sdist.scripts().contains("run-a"));
    }

    #[test]
    fn archives_of_other_things_are_no_distribution() {
        let zip = pack::zip(&[("a/readme.txt", "x"), ("b/c.dist-info/WHEEL", "")]);
        let archive =
            apa_archive::read_bytes(&zip, "a.whl", &apa_archive::Limits::default()).unwrap();
        assert!(Distribution::read(&archive).is_none());
    }
}
