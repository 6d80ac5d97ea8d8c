use std::collections::{BTreeMap, BTreeSet};

use apa_archive::{Archive, EntryKind};
use serde_json::{Map, Value};

/// Most entries of one manifest table that are looked at.
const MOST: usize = 2_000;

/// A `package.json` with the files beside it. Fields of the wrong type count as absent.
#[derive(Default)]
pub(super) struct Manifest {
    fields: Map<String, Value>,
    /// Every regular file, relative to the package's folder.
    pub(super) files: BTreeSet<String>,
}

/// One dependency of the manifest.
pub(super) struct Dependency<'a> {
    pub(super) table: &'static str,
    pub(super) name: &'a str,
    pub(super) spec: &'a str,
}

/// Scripts that an installation runs, in the order it runs them.
pub(super) const HOOKS: [&str; 3] = ["preinstall", "install", "postinstall"];

impl Manifest {
    /// The manifest of an npm archive, `None` without one. As npm does, the first part of every path is
    /// dropped, whatever it is.
    pub(super) fn read(archive: &Archive) -> Option<Self> {
        let mut manifest = Self::default();
        let mut found = None;
        for entry in &archive.entries {
            let Some((_, path)) = entry
                .safe_path
                .as_deref()
                .and_then(|path| path.split_once('/'))
            else {
                continue;
            };
            if entry.kind != EntryKind::File {
                continue;
            }
            if path == "package.json" && entry.kept {
                found = Some(&entry.bytes);
            }
            manifest.files.insert(path.to_owned());
        }
        let bytes = found?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => manifest.fields = fields,
            // npm refuses it too; it is still a package, of unknown name.
            _ => tracing::debug!("package.json is not a JSON object"),
        }
        Some(manifest)
    }

    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// A field that is a text and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.as_str().filter(|text| !text.is_empty())
    }

    fn table(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        self.field(name)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .take(MOST)
    }

    /// The scripts an installation runs, with the implicit build of native code.
    pub(super) fn hooks(&self) -> Vec<(&'static str, &str)> {
        let scripts: BTreeMap<_, _> = self.table("scripts").collect();
        let mut hooks: Vec<_> = HOOKS
            .iter()
            .filter_map(|hook| Some((*hook, *scripts.get(hook)?)))
            .filter(|(_, script)| !script.trim().is_empty())
            .collect();
        if self.builds_implicitly() {
            hooks.push(("install", "node-gyp rebuild"));
        }
        hooks
    }

    /// npm runs `node-gyp rebuild` where a `binding.gyp` lies at the top and no script says otherwise.
    pub(super) fn builds_implicitly(&self) -> bool {
        let says_otherwise = self
            .table("scripts")
            .any(|(name, script)| matches!(name, "install" | "preinstall") && !script.is_empty());
        let off = self.field("gypfile") == Some(&Value::Bool(false));
        self.files.contains("binding.gyp") && !says_otherwise && !off
    }

    /// What an installation of this package brings along.
    pub(super) fn dependencies(&self) -> Vec<Dependency<'_>> {
        ["dependencies", "optionalDependencies", "peerDependencies"]
            .into_iter()
            .flat_map(|table| {
                self.table(table)
                    .map(move |(name, spec)| Dependency { table, name, spec })
            })
            .collect()
    }

    /// Programs: name in `node_modules/.bin`, file.
    pub(super) fn programs(&self) -> Vec<(String, String)> {
        let own = self.text("name").unwrap_or_default();
        let listed: Vec<(&str, &str)> = match self.field("bin") {
            Some(Value::String(file)) => vec![(own, file.as_str())],
            _ => self.table("bin").collect(),
        };
        let mut programs: Vec<_> = listed
            .into_iter()
            .map(|(name, file)| (base_name(name).to_owned(), normal(file)))
            .filter(|(name, _)| crate::text::plain_filename(name).is_some())
            .collect();
        if programs.is_empty()
            && let Some(folder) = self
                .field("directories")
                .and_then(|dirs| dirs.get("bin")?.as_str())
        {
            let folder = format!("{}/", normal(folder));
            programs = self
                .files
                .iter()
                .filter(|file| file.starts_with(&folder))
                .map(|file| (base_name(file).to_owned(), file.clone()))
                .filter(|(name, _)| crate::text::plain_filename(name).is_some())
                .collect();
        }
        programs.sort();
        programs.dedup_by(|a, b| a.0 == b.0);
        programs
    }
}

impl Dependency<'_> {
    /// The name under which the registry knows it, `None` when it comes from elsewhere.
    pub(super) fn registry_name(&self) -> Option<&str> {
        if let Some(alias) = self.spec.strip_prefix("npm:") {
            let at = alias.char_indices().skip(1).find(|(_, c)| *c == '@');
            return Some(at.map_or(alias, |(at, _)| &alias[..at]));
        }
        (!self.is_elsewhere()).then_some(self.name)
    }

    /// Whether it is fetched from a repository, an address or a folder.
    pub(super) fn is_elsewhere(&self) -> bool {
        !self.spec.starts_with("npm:")
            && (self.spec.contains(':') || self.spec.contains('/') || self.spec.starts_with('.'))
    }
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A path of the manifest without `./`, `..` and a leading slash.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pack;

    pub(in crate::npm) fn archive(json: &str, files: &[&str]) -> Archive {
        let paths: Vec<_> = files.iter().map(|file| format!("package/{file}")).collect();
        let mut all = vec![("package/package.json", json)];
        all.extend(paths.iter().map(|path| (path.as_str(), "0")));
        apa_archive::read_bytes(
            &pack::tar_gz(&all),
            "x.tgz",
            &apa_archive::Limits::default(),
        )
        .unwrap()
    }

    pub(in crate::npm) fn manifest(json: &str, files: &[&str]) -> Manifest {
        Manifest::read(&archive(json, files)).unwrap()
    }

    #[test]
    fn a_binding_file_without_scripts_is_an_implicit_build() {
        let hooks = |json, files: &[&str]| -> Vec<String> {
            let manifest = manifest(json, files);
            manifest
                .hooks()
                .iter()
                .map(|(hook, script)| format!("{hook}={script}"))
                .collect()
        };
        assert_eq!(hooks("{}", &["binding.gyp"]), ["install=node-gyp rebuild"]);
        assert_eq!(
            hooks(
                r#"{"scripts":{"install":"x","postinstall":"y","test":"z"}}"#,
                &["binding.gyp"]
            ),
            ["install=x", "postinstall=y"]
        );
        assert!(hooks(r#"{"gypfile":false}"#, &["binding.gyp"]).is_empty());
        assert!(hooks("{}", &["src/binding.gyp"]).is_empty());
    }

    #[test]
    fn programs_keep_only_names_that_npm_would_link() {
        let manifest = manifest(
            r#"{"name":"@s/n","bin":{"../../a":"./x.js","b c":"y.js","d":"../../z.js"}}"#,
            &[],
        );
        assert_eq!(
            manifest.programs(),
            [("a".into(), "x.js".into()), ("d".into(), "z.js".into())]
        );
        let single = super::tests::manifest(r#"{"name":"@s/n","bin":"x.js"}"#, &[]);
        assert_eq!(single.programs(), [("n".into(), "x.js".into())]);
    }

    #[test]
    fn a_broken_manifest_is_a_package_without_a_name() {
        for json in [
            "",
            "[]",
            "{",
            "\u{feff}null",
            r#"{"name":7,"scripts":[],"bin":{"a":1}}"#,
        ] {
            let manifest = manifest(json, &["index.js"]);
            assert_eq!(manifest.text("name"), None);
            assert!(manifest.hooks().is_empty() && manifest.programs().is_empty());
        }
    }
}
