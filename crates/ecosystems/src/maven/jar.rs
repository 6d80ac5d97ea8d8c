//! What is in a Java archive, as far as it decides what is run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use apa_archive::{Archive, Entry, EntryKind, Limits};
use apa_gateway::maven::Pom;

use super::class::Class;
use super::plugin::Plugin;

/// Folders below which an application archive keeps its own classes and the jars it brings along.
const APPLICATIONS: [(&str, &str); 2] = [
    ("BOOT-INF/classes/", "BOOT-INF/lib/"),
    ("WEB-INF/classes/", "WEB-INF/lib/"),
];
const VERSIONS: &str = "META-INF/versions/";
const SERVICES: &str = "META-INF/services/";
const PROCESSORS: &str = "META-INF/services/javax.annotation.processing.Processor";
const MANIFEST: &str = "META-INF/MANIFEST.MF";
/// Most jars inside a jar that are looked into.
const NESTED: usize = 300;

/// A Java archive, read.
pub(super) struct Jar<'a> {
    archive: &'a Archive,
    /// The manifest's main attributes.
    pub(super) manifest: BTreeMap<String, String>,
    /// Its classes, in its order; those it brings along in jars come last.
    pub(super) classes: Vec<Class>,
    /// Interfaces of which it provides implementations.
    pub(super) services: Vec<String>,
    /// Jars inside it, with their paths.
    pub(super) nested: Vec<String>,
    /// Folder of an application's own classes, inside it.
    pub(super) application: Option<&'static str>,
    /// Class files that are none, or could not be read.
    pub(super) unread: usize,
}

impl<'a> Jar<'a> {
    /// `None` when there is nothing of Java in it.
    pub(super) fn read(archive: &'a Archive) -> Option<Self> {
        let manifest = archive.file(MANIFEST).map(|entry| attributes(&entry.bytes));
        let mut jar = Self {
            archive,
            manifest: manifest.unwrap_or_default(),
            classes: Vec::new(),
            services: Vec::new(),
            nested: Vec::new(),
            application: None,
            unread: 0,
        };
        let mut seen = HashSet::new();
        jar.take_in(archive, &mut seen);
        jar.application = APPLICATIONS
            .iter()
            .map(|(classes, _)| *classes)
            .find(|classes| files(archive).any(|(path, _)| path.starts_with(classes)));
        let inside: Vec<&Entry> = files(archive)
            .filter(|(path, entry)| path.ends_with(".jar") && entry.kept && is_library(path))
            .map(|(_, entry)| entry)
            .take(NESTED)
            .collect();
        for entry in inside {
            jar.nested.extend(entry.safe_path.clone());
            match apa_archive::read_bytes(&entry.bytes, "nested jar", &Limits::default()) {
                Ok(nested) => jar.take_in(&nested, &mut seen),
                Err(_) => jar.unread += 1,
            }
        }
        let anything = !jar.classes.is_empty()
            || archive.file(MANIFEST).is_some()
            || poms(archive).next().is_some();
        anything.then_some(jar)
    }

    fn take_in(&mut self, archive: &Archive, seen: &mut HashSet<String>) {
        for (path, entry) in files(archive) {
            if let Some(interface) = path.strip_prefix(SERVICES) {
                let known = self.services.iter().any(|known| known == interface);
                if is_class_name(interface) && !known {
                    self.services.push(interface.to_owned());
                }
            }
            if !path.ends_with(".class") || is_description(path) {
                continue;
            }
            match Class::parse(&entry.bytes) {
                Some(class) if seen.insert(class.name.clone()) => self.classes.push(class),
                Some(_) => {}
                None => self.unread += 1,
            }
        }
    }

    /// The value of a manifest attribute, if it names a class.
    pub(super) fn class_attribute(&self, name: &str) -> Option<&str> {
        let value = self.manifest.get(name)?.as_str();
        is_class_name(value).then_some(value)
    }

    /// Its own POM, and the coordinates of the folder that it lies in. Shaded jars hold many: then the one is
    /// taken that the name says, else none.
    pub(super) fn pom(&self, filename: &str) -> Option<Pom> {
        Pom::parse(&self.pom_entry(filename)?.bytes).ok()
    }

    /// The text of that POM.
    pub(super) fn pom_bytes(&self, filename: &str) -> Option<Arc<[u8]>> {
        self.pom_entry(filename)
            .map(|entry| Arc::clone(&entry.bytes))
    }

    fn pom_entry(&self, filename: &str) -> Option<&Entry> {
        let poms: Vec<_> = poms(self.archive).collect();
        let named = poms.iter().find(|(artifact, _)| {
            let rest = filename.strip_prefix(*artifact);
            rest.is_some_and(|rest| rest.starts_with(['-', '.']))
        });
        let only = || (poms.len() == 1).then(|| poms.first())?;
        named.or_else(only).map(|(_, entry)| *entry)
    }

    /// Its descriptor, if it is a plugin for Maven.
    pub(super) fn plugin(&self) -> Option<Plugin> {
        let entry = self.archive.file("META-INF/maven/plugin.xml")?;
        Plugin::parse(&entry.bytes)
    }

    /// Annotation processors that a compiler would find and start.
    pub(super) fn processors(&self) -> Vec<String> {
        self.archive
            .file(PROCESSORS)
            .map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned())
            .unwrap_or_default()
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
            .filter(|name| is_class_name(name))
            .collect()
    }

    /// Versions of Java for which it holds classes of their own.
    pub(super) fn releases(&self) -> BTreeSet<u32> {
        files(self.archive)
            .filter_map(|(path, _)| {
                let (release, rest) = path.strip_prefix(VERSIONS)?.split_once('/')?;
                rest.ends_with(".class").then(|| release.parse().ok())?
            })
            .collect()
    }
}

fn files(archive: &Archive) -> impl Iterator<Item = (&str, &Entry)> {
    archive
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File)
        .filter_map(|entry| Some((entry.safe_path.as_deref()?, entry)))
}

/// POMs in it, with the names of their artifacts.
fn poms(archive: &Archive) -> impl Iterator<Item = (&str, &Entry)> {
    files(archive).filter_map(|(path, entry)| {
        let path = path.strip_prefix("META-INF/maven/")?;
        let (folder, file) = path.rsplit_once('/')?;
        let (_, artifact) = folder.split_once('/')?;
        (file == "pom.xml" && !artifact.contains('/')).then_some((artifact, entry))
    })
}

fn is_library(path: &str) -> bool {
    APPLICATIONS
        .iter()
        .any(|(_, libraries)| path.starts_with(libraries))
        || (path.starts_with("lib/") || path.starts_with("META-INF/lib/"))
}

/// Files that only describe a module or a package.
fn is_description(path: &str) -> bool {
    path.ends_with("module-info.class") || path.ends_with("package-info.class")
}

/// Whether it can stand in a list of entries and on a command line.
pub(super) fn is_class_name(name: &str) -> bool {
    (1..=500).contains(&name.len())
        && name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$')
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '-'))
}

/// The main section of a manifest; a line that starts with a blank goes on with the one before it.
fn attributes(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 20)]).into_owned();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let main = text.split("\n\n").next().unwrap_or_default();
    main.replace("\n ", "")
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::class::tests::class;
    use super::*;

    pub(in crate::maven) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        crate::pack::zip(files)
    }

    pub(in crate::maven) fn archive(files: &[(&str, &[u8])]) -> Archive {
        apa_archive::read_bytes(&zip(files), "a-1.0.jar", &Limits::default()).unwrap()
    }

    fn names(archive: &Archive) -> Vec<String> {
        let jar = Jar::read(archive).unwrap();
        jar.classes.into_iter().map(|class| class.name).collect()
    }

    #[test]
    fn classes_are_listed_in_the_order_of_the_jar_each_once() {
        let archive = archive(&[
            ("b/B.class", &class("b.B", &[])),
            ("module-info.class", &class("module-info", &[])),
            ("META-INF/versions/17/b/B.class", &class("b.B", &[])),
            (
                "META-INF/versions/17/b/Only17.class",
                &class("b.Only17", &[]),
            ),
            ("a/A.class", &class("a.A", &[])),
            ("a/Broken.class", b"x"),
        ]);
        assert_eq!(names(&archive), ["b.B", "b.Only17", "a.A"]);
        let jar = Jar::read(&archive).unwrap();
        assert_eq!(jar.unread, 1);
        assert_eq!(jar.releases(), [17].into());
    }

    #[test]
    fn jars_in_an_application_are_looked_into() {
        let library = zip(&[("l/L.class", &class("l.L", &[]))]);
        let archive = archive(&[
            ("org/Launcher.class", &class("org.Launcher", &[])),
            ("BOOT-INF/classes/a/App.class", &class("a.App", &[])),
            ("BOOT-INF/lib/l-1.jar", &library),
        ]);
        assert_eq!(names(&archive), ["org.Launcher", "a.App", "l.L"]);
        let jar = Jar::read(&archive).unwrap();
        assert_eq!(jar.nested, ["BOOT-INF/lib/l-1.jar"]);
        assert_eq!(jar.application, Some("BOOT-INF/classes/"));
    }

    #[test]
    fn the_manifest_and_services_name_what_is_started() {
        let archive = archive(&[
            (
                "META-INF/MANIFEST.MF",
                b"Manifest-Version: 1.0\r\nMain-Class: com.example.a.very.long.nam\r\n e.Main\r\nPremain-Class: $(id)\r\n\r\nName: x\r\nAgent-Class: no\r\n",
            ),
            (PROCESSORS, b"# comment\ncom.example.P # why\n\n-rf\n"),
            ("META-INF/services/java.sql.Driver", b"x.D"),
        ]);
        let jar = Jar::read(&archive).unwrap();
        assert_eq!(
            jar.class_attribute("Main-Class"),
            Some("com.example.a.very.long.name.Main")
        );
        assert_eq!(jar.class_attribute("Premain-Class"), None);
        assert_eq!(jar.class_attribute("Agent-Class"), None);
        assert_eq!(jar.processors(), ["com.example.P"]);
        assert_eq!(jar.services[1], "java.sql.Driver");
    }

    #[test]
    fn a_shaded_jar_has_the_pom_that_its_name_says() {
        let pom = |name: &str| {
            format!(
                "<project><groupId>g</groupId><artifactId>{name}</artifactId><version>1</version></project>"
            )
        };
        let (own, other) = (pom("demo"), pom("other"));
        let archive = archive(&[
            ("META-INF/maven/g/other/pom.xml", other.as_bytes()),
            ("META-INF/maven/g/demo/pom.xml", own.as_bytes()),
        ]);
        let jar = Jar::read(&archive).unwrap();
        let artifact = |filename| jar.pom(filename).and_then(|pom| pom.artifact);
        assert_eq!(artifact("demo-1.jar").as_deref(), Some("demo"));
        assert_eq!(artifact("x.jar"), None);
    }
}
