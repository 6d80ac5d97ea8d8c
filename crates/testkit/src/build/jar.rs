//! Java archives, compiled from their sources with the machine's own compiler: all of one process at once, because
//! a compiler takes a second to start.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use apa_model::Ecosystem;

use super::{Package, zip};

/// What sources may refer to without bringing it along.
const STUBS: [(&str, &str); 1] = [(
    "org/apache/maven/plugin/AbstractMojo.java",
    "package org.apache.maven.plugin;\n\npublic abstract class AbstractMojo {\n    \
     public abstract void execute() throws Exception;\n}\n",
)];

/// Class files by path.
type Classes = BTreeMap<String, Vec<u8>>;

/// Builds a Java archive as Maven would.
#[derive(Clone)]
pub struct Jar {
    name: String,
    version: String,
    packaging: &'static str,
    requires: Vec<(String, String)>,
    attributes: Vec<(String, String)>,
    goals: Vec<(String, String)>,
    sources: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    inside: Vec<(String, Jar)>,
}

impl Jar {
    /// An empty archive; `name` is `group:artifact`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            packaging: "jar",
            requires: Vec::new(),
            attributes: Vec::new(),
            goals: Vec::new(),
            sources: Vec::new(),
            files: Vec::new(),
            inside: Vec::new(),
        }
    }

    /// Adds a class by its source; the path is that of its package: `com/example/demo/Main.java`. No two archives of
    /// one process may share a package.
    #[must_use]
    pub fn source(mut self, path: &str, text: &str) -> Self {
        self.sources.push((path.to_owned(), text.to_owned()));
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.as_bytes().to_vec()));
        self
    }

    /// Puts another archive into it.
    #[must_use]
    pub fn inside(mut self, path: &str, jar: &Jar) -> Self {
        self.inside.push((path.to_owned(), jar.clone()));
        self
    }

    /// Sets an attribute of the manifest.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers a class as a provider of a service.
    #[must_use]
    pub fn provides(self, interface: &str, class: &str) -> Self {
        self.file(
            &format!("META-INF/services/{interface}"),
            &format!("{class}\n"),
        )
    }

    /// Makes it a plugin for Maven with this goal.
    #[must_use]
    pub fn goal(mut self, goal: &str, class: &str) -> Self {
        self.packaging = "maven-plugin";
        self.goals.push((goal.to_owned(), class.to_owned()));
        self
    }

    /// Adds a dependency.
    #[must_use]
    pub fn requires(mut self, name: &str, version: &str) -> Self {
        self.requires.push((name.to_owned(), version.to_owned()));
        self
    }

    /// Its usual file name.
    pub fn filename(&self) -> String {
        format!("{}-{}.jar", self.artifact(), self.version)
    }

    /// The archive. Where there is no compiler it has no classes.
    pub fn build(&self) -> Vec<u8> {
        let mut manifest = "Manifest-Version: 1.0\r\n".to_owned();
        for (name, value) in &self.attributes {
            manifest.push_str(&format!("{name}: {value}\r\n"));
        }
        let folder = format!("META-INF/maven/{}/{}", self.group(), self.artifact());
        let mut files = vec![
            ("META-INF/MANIFEST.MF".to_owned(), manifest.into_bytes()),
            (format!("{folder}/pom.xml"), self.pom().into_bytes()),
        ];
        if !self.goals.is_empty() {
            let path = "META-INF/maven/plugin.xml".to_owned();
            files.push((path, self.descriptor().into_bytes()));
        }
        files.extend(self.files.iter().cloned());
        let inside = self.inside.iter();
        files.extend(inside.map(|(path, jar)| (path.clone(), jar.build())));
        for (path, _) in &self.sources {
            let package = path.rsplit_once('/').map_or("", |(package, _)| package);
            let classes = compiled().iter().filter(|(class, _)| {
                class.rsplit_once('/').map_or("", |(package, _)| package) == package
            });
            for (class, bytes) in classes {
                if !files.iter().any(|(known, _)| known == class) {
                    files.push((class.clone(), bytes.clone()));
                }
            }
        }
        zip(&files)
    }

    fn group(&self) -> &str {
        self.name.split_once(':').map_or("", |(group, _)| group)
    }

    fn artifact(&self) -> &str {
        self.name
            .split_once(':')
            .map_or("", |(_, artifact)| artifact)
    }

    fn pom(&self) -> String {
        let dependencies: String = self
            .requires
            .iter()
            .map(|(name, version)| {
                let (group, artifact) = name.split_once(':').unwrap_or_default();
                format!(
                    "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                     <version>{version}</version></dependency>"
                )
            })
            .collect();
        format!(
            "<project><modelVersion>4.0.0</modelVersion>{}<packaging>{}</packaging>\
             <dependencies>{dependencies}</dependencies></project>\n",
            self.coordinates(),
            self.packaging
        )
    }

    fn descriptor(&self) -> String {
        let mojos: String = self
            .goals
            .iter()
            .map(|(goal, class)| {
                format!(
                    "<mojo><goal>{goal}</goal><implementation>{class}</implementation><language>java</language>\
                     <instantiationStrategy>per-lookup</instantiationStrategy>\
                     <executionStrategy>once-per-session</executionStrategy><requiresProject>false</requiresProject></mojo>"
                )
            })
            .collect();
        format!(
            "<plugin>{}<goalPrefix>{}</goalPrefix><mojos>{mojos}</mojos></plugin>\n",
            self.coordinates(),
            self.artifact()
        )
    }

    fn coordinates(&self) -> String {
        format!(
            "<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>",
            self.group(),
            self.artifact(),
            self.version
        )
    }
}

impl Package for Jar {
    const ECOSYSTEM: Ecosystem = Ecosystem::Maven;

    fn archive(&self) -> (String, Vec<u8>) {
        (self.filename(), self.build())
    }
}

/// Whether there is a Java compiler.
pub(crate) fn compiler_is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| Command::new("javac").arg("-version").output().is_ok())
}

/// The classes of all archives.
fn compiled() -> &'static Classes {
    static COMPILED: OnceLock<Classes> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let sources: Vec<_> = crate::jars()
            .into_iter()
            .flat_map(|jar| jar.sources)
            .collect();
        compile(&sources)
    })
}

/// # Panics
/// When there is a compiler and it does not compile what this crate holds.
fn compile(sources: &[(String, String)]) -> Classes {
    let mut classes = Classes::new();
    if !compiler_is_there() {
        return classes;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let out = folder.path().join("out");
    let mut compiler = Command::new("javac");
    compiler.args(["-proc:none", "-nowarn", "-d"]).arg(&out);
    let stubs = STUBS.iter().map(|(path, text)| (*path, *text));
    let own = sources
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()));
    for (path, text) in stubs.chain(own) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| std::fs::write(&path, text))
            .expect("a temporary file can be written");
        compiler.arg(path);
    }
    let output = compiler.output().expect("javac was there a moment ago");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "javac: {told}");
    collect(&out, &out, &mut classes);
    classes
}

fn collect(root: &Path, folder: &Path, classes: &mut Classes) {
    let entries = std::fs::read_dir(folder).expect("what was compiled can be read");
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(root, &path, classes);
        } else if let (Ok(name), Ok(bytes)) = (path.strip_prefix(root), std::fs::read(&path)) {
            classes.insert(name.display().to_string(), bytes);
        }
    }
}
