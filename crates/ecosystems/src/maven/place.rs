//! Where an archive and what belongs to it lie inside the sandbox.

use std::path::PathBuf;

use apa_model::{FileContent, PlannedFile};

use super::harness;
use super::jar::Jar;
use super::plugin::Plugin;
use super::settings::maven_home;
use crate::PlanInput;
use crate::recipe;
use crate::text::{plain_filename, to_plain};

/// An archive and where everything of it is put.
pub(super) struct Recipe<'a> {
    pub(super) input: &'a PlanInput<'a>,
    pub(super) jar: Option<Jar<'a>>,
    pub(super) plugin: Option<Plugin>,
    pub(super) processors: Vec<String>,
}

impl Recipe<'_> {
    fn home(&self) -> &str {
        &self.input.guest.home
    }

    pub(super) fn project(&self) -> &str {
        &self.input.guest.project_dir
    }

    fn repository(&self) -> String {
        format!("{}/.m2/repository", self.home())
    }

    /// Folder of a version in the local repository.
    fn released(&self, name: &str, version: &str) -> String {
        let (group, artifact) = name.split_once(':').unwrap_or(("unknown", name));
        let group = group.replace('.', "/");
        format!("{}/{group}/{artifact}/{version}", self.repository())
    }

    /// Where the artifact lies, and its name without extension: as Maven would have put it where its coordinates are
    /// known. A plugin is found by those of its own descriptor.
    fn place(&self) -> (String, String) {
        let identity = &self.input.identity;
        let plugin = self.plugin.as_ref();
        let name = plugin.map(|it| &it.name).or(identity.name.as_ref());
        let version = plugin.map(|it| &it.version).or(identity.version.as_ref());
        match (name, version) {
            (Some(name), Some(version)) => {
                let artifact = name.split_once(':').map_or(name.as_str(), |(_, it)| it);
                (
                    self.released(name, version),
                    format!("{artifact}-{version}"),
                )
            }
            _ => {
                let given = self.input.artifact.filename.lossy();
                let plain = plain_filename(&given).map_or_else(|| to_plain(&given), str::to_owned);
                let stem = plain
                    .rsplit_once('.')
                    .map_or(plain.as_str(), |(stem, _)| stem);
                (format!("{}/lib", self.project()), stem.to_owned())
            }
        }
    }

    pub(super) fn artifact(&self) -> String {
        let (folder, stem) = self.place();
        let war = self.input.artifact.filename.lossy().ends_with(".war");
        let extension = if war && self.plugin.is_none() {
            "war"
        } else {
            "jar"
        };
        format!("{folder}/{stem}.{extension}")
    }

    pub(super) fn launcher(&self) -> String {
        format!("{}/.local/share/java/launch.jar", self.home())
    }

    /// Where an application with jars inside is unpacked.
    pub(super) fn unpacked(&self) -> String {
        format!("{}/.local/share/java/app", self.home())
    }

    pub(super) fn source(&self) -> String {
        format!("{}/src/main/java/app/Empty.java", self.project())
    }

    pub(super) fn settings(&self) -> String {
        format!("{}/.mvn/settings.xml", self.project())
    }

    pub(super) fn files(&self) -> Vec<PlannedFile> {
        let host = |path: String, source: PathBuf| PlannedFile {
            path,
            content: FileContent::Host(source),
            mode: 0o644,
        };
        let mut files = vec![host(self.artifact(), self.input.artifact_path.to_owned())];
        for dependency in &self.input.provision.dependencies {
            let folder = self.released(&dependency.name, &dependency.version);
            let path = format!("{folder}/{}", dependency.filename);
            files.push(host(path, dependency.path.clone()));
        }
        if let Ok(jar) = harness::jar() {
            files.push(PlannedFile {
                path: self.launcher(),
                content: FileContent::Bytes(jar),
                mode: 0o644,
            });
        }
        if self.plugin.is_some() || !self.processors.is_empty() {
            let source = "package app;\n\npublic final class Empty {\n}\n";
            files.push(recipe::text_file(self.source(), source));
        }
        if self.plugin.is_some() {
            files.extend(self.project_files());
        }
        files
    }

    /// A small project that a plugin can be run in, and where Maven finds its repository.
    fn project_files(&self) -> Vec<PlannedFile> {
        let folder = self.project().rsplit('/').next().unwrap_or_default();
        let project = format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
             <groupId>com.example</groupId>\n  <artifactId>{}</artifactId>\n  <version>1.0.0</version>\n  \
             <properties>\n    <maven.compiler.source>11</maven.compiler.source>\n    \
             <maven.compiler.target>11</maven.compiler.target>\n    \
             <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>\n  </properties>\n</project>\n",
            to_plain(folder)
        );
        let settings = format!(
            "<settings>\n  <mirrors>\n    <mirror>\n      <id>local</id>\n      <mirrorOf>*</mirrorOf>\n      \
             <url>{}/maven/</url>\n    </mirror>\n  </mirrors>\n</settings>\n",
            self.input.gateway_url
        );
        let mut files = vec![
            recipe::text_file(format!("{}/pom.xml", self.project()), &project),
            recipe::text_file(self.settings(), &settings),
        ];
        let (folder, stem) = self.place();
        if let Some(pom) = &self.input.provision.pom {
            files.push(PlannedFile {
                path: format!("{folder}/{stem}.pom"),
                content: FileContent::Bytes(pom.to_vec()),
                mode: 0o644,
            });
        }
        files
    }

    pub(super) fn package_dirs(&self) -> Vec<String> {
        // What Maven fetches and a build makes is as much the package's own business.
        vec![self.place().0, self.unpacked(), self.repository()]
    }

    /// The artifact, what it needs, and the jars inside it.
    pub(super) fn class_path(&self) -> Vec<String> {
        let mut path = Vec::new();
        if let Some(jar) = &self.jar {
            let unpacked = self.unpacked();
            path.extend(jar.application.map(|folder| format!("{unpacked}/{folder}")));
            path.push(self.artifact());
            path.extend(
                jar.nested
                    .iter()
                    .map(|inside| format!("{unpacked}/{inside}")),
            );
        }
        if self.plugin.is_some() {
            // What Maven itself gives to every plugin.
            path.extend(
                maven_home()
                    .map(|home| format!("{}/lib/*", home.display()))
                    .ok(),
            );
        }
        for dependency in &self.input.provision.dependencies {
            if dependency.filename.ends_with(".jar") {
                let folder = self.released(&dependency.name, &dependency.version);
                path.push(format!("{folder}/{}", dependency.filename));
            }
        }
        path
    }
}
