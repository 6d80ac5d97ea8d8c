use std::collections::BTreeSet;

use apa_archive::{Archive, EntryKind, Format};
use apa_model::{Ecosystem, PackageRef};
use serde_json::{Map, Value};

/// Most items of a list that are looked at.
const MOST: usize = 1_000;

/// A package's `composer.json` with its files.
pub(super) struct Manifest<'a> {
    archive: &'a Archive,
    fields: Map<String, Value>,
    /// The single top folder, with a slash at the end, which Composer leaves out.
    top: String,
    /// Every regular file below it.
    pub(super) files: BTreeSet<&'a str>,
}

impl<'a> Manifest<'a> {
    /// `None` when the archive is no Composer package.
    pub(super) fn read(archive: &'a Archive) -> Option<Self> {
        if archive.format != Format::Zip {
            return None;
        }
        let top = match archive.file("composer.json") {
            Some(_) => String::new(),
            None => format!("{}/", archive.strip_top()?),
        };
        let entry = archive.file(&format!("{top}composer.json"))?;
        let fields: Value = serde_json::from_slice(&entry.bytes).ok()?;
        let files = archive
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::File)
            .filter_map(|entry| entry.safe_path.as_deref()?.strip_prefix(top.as_str()))
            .collect();
        Some(Self {
            archive,
            fields: fields.as_object()?.clone(),
            top,
            files,
        })
    }

    /// All fields.
    pub(super) fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// `vendor/name`, if it is one.
    pub(super) fn name(&self) -> Option<&str> {
        let name = self.fields.get("name")?.as_str()?;
        PackageRef::new(Ecosystem::Composer, name, None).ok()?;
        Some(name)
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.fields.get("version")?.as_str()
    }

    /// Names of the packages it needs.
    pub(super) fn dependencies(&self) -> Vec<String> {
        let required = self.fields.get("require").and_then(Value::as_object);
        let names = required.into_iter().flat_map(Map::keys).take(MOST);
        names
            .filter_map(|name| PackageRef::new(Ecosystem::Composer, name, None).ok())
            .map(|package| package.name)
            .collect()
    }

    /// Whether Composer loads it into itself.
    pub(super) fn is_plugin(&self) -> bool {
        let kind = self.fields.get("type").and_then(Value::as_str);
        matches!(kind, Some("composer-plugin" | "composer-installer"))
    }

    /// Files of the plug-in's classes, as far as `autoload` tells where they are.
    pub(super) fn plugin_files(&self) -> Vec<String> {
        let class = self
            .fields
            .get("extra")
            .and_then(|extra| extra.get("class"));
        let classes = class.map_or_else(Vec::new, texts);
        if !self.is_plugin() {
            return Vec::new();
        }
        let files = classes.iter().filter_map(|class| self.class_file(class));
        files.collect()
    }

    /// The file of a class by the PSR-4 and PSR-0 rules of `autoload`.
    pub(super) fn class_file(&self, class: &str) -> Option<String> {
        let class = class.trim_start_matches('\\');
        let autoload = self.fields.get("autoload")?;
        let psr4 = rules(autoload, "psr-4").filter_map(|(prefix, folder)| {
            let rest = class.strip_prefix(prefix.as_str())?;
            Some(format!("{folder}{}.php", rest.replace('\\', "/")))
        });
        let psr0 = rules(autoload, "psr-0").filter_map(|(prefix, folder)| {
            class.strip_prefix(prefix.as_str())?;
            Some(format!("{folder}{}.php", class.replace(['\\', '_'], "/")))
        });
        psr4.chain(psr0)
            .find(|file| self.files.contains(file.as_str()))
    }

    /// Files that are run whenever the autoloader is loaded.
    pub(super) fn autoload_files(&self) -> Vec<String> {
        let files = self
            .fields
            .get("autoload")
            .and_then(|autoload| autoload.get("files"));
        let files = files.map_or_else(Vec::new, texts);
        let there = files.into_iter().map(|file| clean(&file));
        there
            .filter(|file| self.files.contains(file.as_str()))
            .collect()
    }

    /// Scripts by event, in order; what Composer runs when the package is the project itself.
    pub(super) fn scripts(&self) -> Vec<(&str, Vec<String>)> {
        let scripts = self.fields.get("scripts").and_then(Value::as_object);
        let scripts = scripts.into_iter().flatten().take(MOST);
        scripts
            .map(|(event, script)| (event.as_str(), texts(script)))
            .collect()
    }

    /// Programs, as paths in the package.
    pub(super) fn programs(&self) -> Vec<String> {
        let programs = self.fields.get("bin").map_or_else(Vec::new, texts);
        let there = programs.into_iter().map(|file| clean(&file));
        there
            .filter(|file| self.files.contains(file.as_str()))
            .collect()
    }

    /// Bytes of a file.
    pub(super) fn bytes(&self, path: &str) -> Option<&[u8]> {
        let entry = self.archive.file(&format!("{}{path}", self.top))?;
        Some(&entry.bytes)
    }
}

/// Prefix and folder of each rule; a folder ends in a slash, or is empty for the package's own.
fn rules<'v>(autoload: &'v Value, kind: &str) -> impl Iterator<Item = (&'v String, String)> {
    let rules = autoload.get(kind).and_then(Value::as_object);
    rules
        .into_iter()
        .flatten()
        .take(MOST)
        .flat_map(|(prefix, folders)| {
            texts(folders).into_iter().map(move |folder| {
                let folder = clean(&folder);
                match folder.as_str() {
                    "" => (prefix, folder),
                    _ => (prefix, format!("{folder}/")),
                }
            })
        })
}

/// A relative path without `./` and slashes at its end.
fn clean(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_matches('/');
    if path == "." {
        String::new()
    } else {
        path.to_owned()
    }
}

/// A text or a list of texts.
fn texts(value: &Value) -> Vec<String> {
    let one = value.as_str().map(str::to_owned);
    let many = value.as_array().into_iter().flatten().take(MOST);
    let many = many.filter_map(|item| item.as_str().map(str::to_owned));
    one.into_iter().chain(many).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pack;

    pub(in crate::composer) fn package(composer_json: &str, files: &[(&str, &str)]) -> Archive {
        let mut all = vec![("a-b-1234/composer.json", composer_json)];
        all.extend(files);
        let limits = apa_archive::Limits::default();
        apa_archive::read_bytes(&pack::zip(&all), "a.zip", &limits).unwrap()
    }

    #[test]
    fn a_package_tells_what_it_needs_runs_and_offers() {
        let archive = package(
            r#"{"name": "a/b", "type": "composer-plugin", "require": {"php": ">=8", "c/d": "^1"},
                "autoload": {"psr-4": {"A\\": ["lib", "src/"]}, "files": ["./start.php", "missing.php"]},
                "extra": {"class": ["A\\Plugin"]}, "bin": "bin/x",
                "scripts": {"post-install-cmd": ["@php x.php", "A\\Hook::run"]}}"#,
            &[
                ("a-b-1234/src/Plugin.php", ""),
                ("a-b-1234/start.php", ""),
                ("a-b-1234/bin/x", ""),
            ],
        );
        let manifest = Manifest::read(&archive).unwrap();
        assert_eq!(manifest.name(), Some("a/b"));
        assert_eq!(manifest.dependencies(), ["c/d"]);
        assert_eq!(manifest.plugin_files(), ["src/Plugin.php"]);
        assert_eq!(manifest.autoload_files(), ["start.php"]);
        assert_eq!(manifest.programs(), ["bin/x"]);
        assert_eq!(manifest.scripts()[0].1.len(), 2);
    }

    #[test]
    fn archives_of_other_things_are_no_package() {
        let limits = apa_archive::Limits::default();
        let zip = pack::zip(&[("x/y/composer.json", "{}"), ("z", "")]);
        let archive = apa_archive::read_bytes(&zip, "a.zip", &limits).unwrap();
        assert!(Manifest::read(&archive).is_none());
        assert!(Manifest::read(&package("[]", &[])).is_none());
        assert_eq!(
            Manifest::read(&package(r#"{"name": "../x"}"#, &[]))
                .unwrap()
                .name(),
            None
        );
    }
}
