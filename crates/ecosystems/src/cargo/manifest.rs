use std::collections::BTreeSet;

use apa_archive::{Archive, EntryKind};
use apa_model::{Ecosystem, PackageRef};
use toml::{Table, Value};

use crate::text::plain_filename;

/// Most dependencies, programs and examples of one manifest that are looked at.
const MOST: usize = 500;

/// A `Cargo.toml` with the files beside it. Fields of the wrong type count as absent.
pub(super) struct Manifest<'a> {
    archive: &'a Archive,
    top: String,
    fields: Table,
    /// Every regular file, relative to the crate's folder.
    files: BTreeSet<String>,
}

/// One dependency of the manifest.
pub(super) struct Dependency<'m> {
    pub(super) table: &'static str,
    pub(super) name: &'m str,
    /// Where it comes from, if that is not the registry.
    pub(super) elsewhere: Option<&'m str>,
}

/// A program or example.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    /// It is built without asking for features.
    pub(super) by_default: bool,
}

impl<'a> Manifest<'a> {
    /// The manifest of a crate, `None` without one.
    pub(super) fn read(archive: &'a Archive) -> Option<Self> {
        let top = archive.strip_top()?;
        let entry = archive.file(&format!("{top}/Cargo.toml"))?;
        let text = std::str::from_utf8(&entry.bytes).ok();
        let fields = match text.map(str::parse::<Table>) {
            Some(Ok(fields)) => fields,
            // cargo refuses it too; it is still a crate, of unknown name.
            _ => Table::new(),
        };
        let files = archive
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::File)
            .filter_map(|entry| entry.safe_path.as_deref()?.strip_prefix(&format!("{top}/")))
            .map(str::to_owned)
            .collect();
        Some(Self {
            archive,
            top,
            fields,
            files,
        })
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.files.contains(file)
    }

    pub(super) fn package(&self, field: &str) -> Option<&Value> {
        self.fields.get("package")?.get(field)
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.package(field)?.as_str()
    }

    /// The build script, relative to the crate's folder.
    pub(super) fn build_script(&self) -> Option<&str> {
        let file = match self.package("build") {
            Some(Value::String(file)) => file,
            Some(Value::Array(files)) => files.first()?.as_str()?,
            Some(Value::Boolean(false)) => return None,
            _ => "build.rs",
        };
        let file = file.trim_start_matches("./");
        self.has(file).then_some(file)
    }

    fn lib(&self, field: &str) -> Option<&Value> {
        self.fields.get("lib")?.get(field)
    }

    fn lib_path(&self) -> &str {
        let path = self.lib("path").and_then(Value::as_str);
        path.unwrap_or("src/lib.rs").trim_start_matches("./")
    }

    /// The name under which other crates use it; `None` without a library.
    pub(super) fn lib_name(&self) -> Option<String> {
        if !self.has(self.lib_path()) {
            return None;
        }
        let named = self.lib("name").and_then(Value::as_str);
        let name = named.or(self.text("name"))?.replace('-', "_");
        is_identifier(&name).then_some(name)
    }

    pub(super) fn is_macro(&self) -> bool {
        ["proc-macro", "proc_macro"]
            .iter()
            .any(|field| self.lib(field).and_then(Value::as_bool) == Some(true))
            || self.crate_types().any(|kind| kind == "proc-macro")
    }

    fn crate_types(&self) -> impl Iterator<Item = &str> {
        ["crate-type", "crate_type"]
            .into_iter()
            .filter_map(|field| self.lib(field)?.as_array())
            .flatten()
            .filter_map(Value::as_str)
    }

    /// Whether other crates can be linked with the library: not one that is made only for other languages.
    pub(super) fn is_linkable(&self) -> bool {
        let mut kinds = self.crate_types().peekable();
        kinds.peek().is_none() || kinds.any(|kind| matches!(kind, "lib" | "rlib" | "dylib"))
    }

    /// Source of the library's root module.
    pub(super) fn lib_source(&self) -> Option<&str> {
        let entry = self
            .archive
            .file(&format!("{}/{}", self.top, self.lib_path()))?;
        std::str::from_utf8(&entry.bytes)
            .ok()
            .filter(|_| entry.kept)
    }

    pub(super) fn programs(&self) -> Vec<Program> {
        let main = self.has("src/main.rs").then(|| self.text("name")).flatten();
        let found = main
            .map(str::to_owned)
            .into_iter()
            .chain(self.found("src/bin"));
        self.targets("bin", "autobins", found)
    }

    pub(super) fn examples(&self) -> Vec<Program> {
        self.targets("example", "autoexamples", self.found("examples"))
    }

    /// What the manifest lists, and what cargo finds by itself.
    fn targets(
        &self,
        table: &str,
        auto: &str,
        found: impl Iterator<Item = String>,
    ) -> Vec<Program> {
        let listed = self.fields.get(table).and_then(Value::as_array);
        let mut programs: Vec<Program> = listed
            .into_iter()
            .flatten()
            .filter_map(|target| {
                let needs = target.get("required-features").and_then(Value::as_array);
                Some(Program {
                    name: target.get("name")?.as_str()?.to_owned(),
                    by_default: needs.is_none_or(|needs| self.are_on(needs)),
                })
            })
            .collect();
        if self.package(auto) != Some(&Value::Boolean(false)) {
            for name in found {
                if !programs.iter().any(|program| program.name == name) {
                    programs.push(Program {
                        name,
                        by_default: true,
                    });
                }
            }
        }
        programs.retain(|program| plain_filename(&program.name).is_some());
        programs.truncate(MOST);
        programs
    }

    /// Whether features are on without being asked for. What `default` brings indirectly is followed.
    fn are_on(&self, needed: &[Value]) -> bool {
        let mut on = BTreeSet::new();
        let mut next = vec!["default"];
        while let Some(feature) = next.pop() {
            if on.insert(feature) {
                let features = self.fields.get("features");
                let more = features.and_then(|table| table.get(feature)?.as_array());
                next.extend(more.into_iter().flatten().filter_map(Value::as_str));
            }
        }
        needed
            .iter()
            .all(|feature| feature.as_str().is_some_and(|feature| on.contains(feature)))
    }

    /// `FOLDER/name.rs` and `FOLDER/name/main.rs`.
    fn found(&self, folder: &str) -> impl Iterator<Item = String> {
        self.files.iter().filter_map(move |file| {
            let rest = file.strip_prefix(folder)?.strip_prefix('/')?;
            let name = rest.strip_suffix("/main.rs").or(rest.strip_suffix(".rs"))?;
            (!name.contains('/')).then(|| name.to_owned())
        })
    }

    /// Dependencies of every kind and target.
    pub(super) fn dependencies(&self) -> Vec<Dependency<'_>> {
        const TABLES: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];
        let targets = self.fields.get("target").and_then(Value::as_table);
        let targets = targets.into_iter().flat_map(|targets| targets.values());
        std::iter::once(&self.fields)
            .chain(targets.filter_map(Value::as_table))
            .flat_map(|holder| TABLES.map(|table| (table, holder.get(table))))
            .filter_map(|(table, found)| Some((table, found?.as_table()?)))
            .flat_map(|(table, found)| {
                found
                    .iter()
                    .map(move |(name, how)| Dependency::new(table, name, how))
            })
            .take(MOST)
            .collect()
    }
}

impl<'m> Dependency<'m> {
    fn new(table: &'static str, name: &'m str, how: &'m Value) -> Self {
        let text = |field: &str| how.get(field).and_then(Value::as_str);
        Self {
            table,
            name: text("package").unwrap_or(name),
            elsewhere: text("git")
                .or(text("path"))
                .or(text("registry-index"))
                .or(text("registry")),
        }
    }

    /// Its name in the registry, as the index has it.
    pub(super) fn registry_name(&self) -> Option<String> {
        let known = PackageRef::new(Ecosystem::Cargo, self.name, None);
        known
            .ok()
            .filter(|_| self.elsewhere.is_none())
            .map(|package| package.name.to_ascii_lowercase())
    }
}

/// A plain identifier; what stands in generated source must be one.
pub(super) fn is_identifier(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pack::tar_gz;

    pub(in crate::cargo) fn archive(manifest: &str, files: &[(&str, &str)]) -> Archive {
        let mut members = vec![("a-1.0.0/Cargo.toml".to_owned(), manifest)];
        members.extend(
            files
                .iter()
                .map(|(path, text)| (format!("a-1.0.0/{path}"), *text)),
        );
        let members: Vec<_> = members
            .iter()
            .map(|(path, text)| (path.as_str(), *text))
            .collect();
        apa_archive::read_bytes(&tar_gz(&members), "a", &apa_archive::Limits::default()).unwrap()
    }

    fn names(programs: Vec<Program>) -> Vec<String> {
        programs
            .into_iter()
            .map(|program| {
                format!(
                    "{}{}",
                    program.name,
                    if program.by_default { "" } else { "?" }
                )
            })
            .collect()
    }

    #[test]
    fn a_build_script_is_found_where_cargo_finds_it() {
        for (build, files, expected) in [
            ("", &["build.rs"][..], Some("build.rs")),
            ("build = false", &["build.rs"], None),
            ("build = \"./x/b.rs\"", &["x/b.rs"], Some("x/b.rs")),
            ("build = \"gone.rs\"", &["build.rs"], None),
            ("", &["src/build.rs"], None),
        ] {
            let files: Vec<_> = files.iter().map(|file| (*file, "")).collect();
            let archive = archive(&format!("[package]\nname = \"a\"\n{build}"), &files);
            let manifest = Manifest::read(&archive).unwrap();
            assert_eq!(manifest.build_script(), expected, "{build}");
        }
    }

    #[test]
    fn a_library_is_used_by_its_name_with_underscores() {
        for (lib, expected) in [
            ("", Some("my_crate")),
            ("[lib]\nname = \"other\"", Some("other")),
            ("[lib]\npath = \"gone.rs\"", None),
            ("[lib]\nname = \"x; evil!()\"", None),
        ] {
            let archive = archive(
                &format!("[package]\nname = \"my-crate\"\n{lib}"),
                &[("src/lib.rs", "")],
            );
            let manifest = Manifest::read(&archive).unwrap();
            assert_eq!(manifest.lib_name().as_deref(), expected, "{lib}");
        }
    }

    #[test]
    fn programs_and_examples_are_listed_or_found() {
        let archive = archive(
            "[package]\nname = \"a\"\nautoexamples = false\n[features]\ndefault = [\"x\"]\nx = [\"y\"]\n\
             [[bin]]\nname = \"on\"\nrequired-features = [\"y\"]\n[[bin]]\nname = \"off\"\nrequired-features = [\"z\"]\n\
             [[bin]]\nname = \"../up\"\n[[example]]\nname = \"e\"\n",
            &[
                ("src/main.rs", ""),
                ("src/bin/b.rs", ""),
                ("src/bin/c/main.rs", ""),
                ("src/bin/c/d/e.rs", ""),
                ("examples/found.rs", ""),
            ],
        );
        let manifest = Manifest::read(&archive).unwrap();
        assert_eq!(names(manifest.programs()), ["on", "off?", "a", "b", "c"]);
        assert_eq!(names(manifest.examples()), ["e"]);
    }

    #[test]
    fn dependencies_of_every_table_have_their_own_names() {
        let archive = archive(
            "[package]\nname = \"a\"\n[dependencies]\nRen = { package = \"Real\", version = \"1\" }\n\
             [build-dependencies]\ncc = \"1\"\n[target.'cfg(unix)'.dependencies]\ng = { git = \"http://h.test/g\" }\n",
            &[],
        );
        let manifest = Manifest::read(&archive).unwrap();
        let found: Vec<_> = manifest
            .dependencies()
            .iter()
            .map(|found| (found.table, found.registry_name()))
            .collect();
        assert_eq!(
            found,
            [
                ("dependencies", Some("real".to_owned())),
                ("build-dependencies", Some("cc".to_owned())),
                ("dependencies", None),
            ]
        );
    }

    #[test]
    fn a_manifest_that_is_none_is_still_a_crate() {
        let archive = archive("[[[", &[("src/lib.rs", "")]);
        let manifest = Manifest::read(&archive).unwrap();
        assert_eq!(manifest.lib_name(), None);
        assert!(manifest.dependencies().is_empty());
    }
}
