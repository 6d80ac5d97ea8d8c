//! Maven: a repository in the usual layout below `/maven/`.

mod metadata;
mod pom;
mod xml;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use axum::http::StatusCode;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::{Asked, BoxFuture, Protocol, is_file_name};
use crate::error::GatewayError;
use crate::gateway::{Document, FRESH, Gateway};
use crate::integrity::Integrity;
use crate::serve::{Allowed, Answer, Desk};

pub use metadata::Metadata;
pub use pom::{Coordinates, Pom, PomDependency};

const XML: &str = "text/xml";
const TEXT: &str = "text/plain";
const INDEX: &str = "maven-metadata.xml";
/// Files beside each file, which are made from it.
const BESIDE: [&str; 5] = [".sha1", ".sha256", ".sha512", ".md5", ".asc"];
/// What is released is never changed: how old an answer about it may be.
const RELEASED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Longest digest file or signature, bytes.
const SHORT: usize = 64 << 10;

/// A file of a released version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MavenFile {
    /// `group:artifact`.
    pub name: String,
    /// Version.
    pub version: String,
    /// `artifact-version.pom`, `artifact-version.jar`, …
    pub file: String,
}

impl MavenFile {
    /// The file `artifact-version[-classifier].extension`.
    pub fn new(name: &str, version: &str, classifier: Option<&str>, extension: &str) -> Self {
        let artifact = name.split_once(':').map_or(name, |(_, artifact)| artifact);
        let classifier = classifier.map(|it| format!("-{it}")).unwrap_or_default();
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            file: format!("{artifact}-{version}{classifier}.{extension}"),
        }
    }

    fn beside(&self, end: &str) -> Self {
        Self {
            file: format!("{}{end}", self.file),
            ..self.clone()
        }
    }

    /// # Errors
    /// When a part of it could lead elsewhere.
    fn document(&self) -> Result<Document, GatewayError> {
        let package = PackageRef::new(Ecosystem::Maven, &self.name, Some(&self.version))?;
        if !is_file_name(&self.file) {
            return Err(GatewayError::Url(self.file.as_str().into()));
        }
        let path = format!("{}/{}/{}", folder(&package.name), self.version, self.file);
        let path = path.replace('+', "%2B");
        // Which versions were there is asked of each by itself; what is in one does not change.
        Ok(Document {
            until: Some(unchanged),
            ..Document::other(Ecosystem::Maven, &package.name, path)
        })
    }
}

fn unchanged(body: &[u8], _: Timestamp) -> Result<Bytes, String> {
    Ok(Bytes::copy_from_slice(body))
}

fn folder(name: &str) -> String {
    match name.split_once(':') {
        Some((group, artifact)) => format!("{}/{artifact}", group.replace('.', "/")),
        None => name.to_owned(),
    }
}

impl Gateway {
    /// The `maven-metadata.xml` of `name` (`group:artifact`); at most 60 s old. It names all versions, also those that
    /// came after the time that is set: [`Gateway::maven_was_there`] tells.
    ///
    /// # Errors
    /// As [`Gateway::npm_packument`].
    pub async fn maven_metadata(&self, name: &str) -> Result<Bytes, GatewayError> {
        let package = PackageRef::new(Ecosystem::Maven, name, None)?;
        let index = Document {
            until: Some(unchanged),
            ..index(&package.name)
        };
        self.document(&index, FRESH).await
    }

    /// Whether a version was there at the time that is set, by when its POM came; always, when none is set.
    ///
    /// # Errors
    /// When the repository has no such version, cannot be asked, or does not tell times.
    pub async fn maven_was_there(&self, name: &str, version: &str) -> Result<bool, GatewayError> {
        let Some(time) = self.as_of() else {
            return Ok(true);
        };
        let file = MavenFile::new(name, version, None, "pom");
        let changed = self.maven_changed(&file).await?;
        changed
            .map(|at| at <= time)
            .ok_or(GatewayError::NoTimes(Ecosystem::Maven))
    }

    /// Address of a file, and the strongest digest that the repository keeps beside it: `.sha256`, else `.sha1`.
    ///
    /// # Errors
    /// When the repository cannot be asked for the digests. That it has none is none.
    pub async fn maven_stated(
        &self,
        file: &MavenFile,
    ) -> Result<(String, Integrity), GatewayError> {
        let url = self.document_url(&file.document()?)?.to_string();
        for algorithm in ["sha256", "sha1"] {
            if let Some(text) = self.short(&file.beside(&format!(".{algorithm}"))).await? {
                let text = String::from_utf8_lossy(&text).into_owned();
                let digest = text.split_ascii_whitespace().next().unwrap_or_default();
                if let Some(integrity) = Integrity::from_hex(algorithm, digest) {
                    return Ok((url, integrity));
                }
            }
        }
        Ok((url, Integrity::Unstated))
    }

    /// A released file in the cache, checked against the digest beside it.
    ///
    /// # Errors
    /// As [`Gateway::artifact`]; [`GatewayError::is_not_found`] when there is no such file.
    pub async fn maven_file(&self, file: &MavenFile) -> Result<PathBuf, GatewayError> {
        let (url, integrity) = self.maven_stated(file).await?;
        self.artifact(&url, &integrity).await
    }

    /// A released POM.
    ///
    /// # Errors
    /// As [`Gateway::maven_file`], and when it is no POM.
    pub async fn maven_pom(&self, name: &str, version: &str) -> Result<Pom, GatewayError> {
        let file = MavenFile::new(name, version, None, "pom");
        let path = self.maven_file(&file).await?;
        let parsed = spawn_blocking(move || read_pom(&path)).await;
        self.usable(&file.document()?, parsed)
    }

    /// The detached signature beside a file, if there is one.
    ///
    /// # Errors
    /// When the repository cannot be asked.
    pub async fn maven_signature(&self, file: &MavenFile) -> Result<Option<Bytes>, GatewayError> {
        self.short(&file.beside(".asc")).await
    }

    /// When the repository was given a file, as its `Last-Modified` says; `None`: it does not say.
    ///
    /// # Errors
    /// When the repository cannot be asked or has no such file.
    pub async fn maven_changed(&self, file: &MavenFile) -> Result<Option<Timestamp>, GatewayError> {
        let document = file.document()?;
        self.document(&document, RELEASED).await?;
        let changed = self.document_changed(&document).await;
        Ok(changed.and_then(|date| Some(jiff::fmt::rfc2822::parse(&date).ok()?.timestamp())))
    }

    /// A small file beside another.
    async fn short(&self, file: &MavenFile) -> Result<Option<Bytes>, GatewayError> {
        match self.document(&file.document()?, RELEASED).await {
            Ok(bytes) => Ok(Some(bytes).filter(|bytes| bytes.len() <= SHORT)),
            Err(GatewayError::NotFound { .. } | GatewayError::OfflineMiss(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn read_pom(path: &std::path::Path) -> Result<Pom, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    Pom::parse(&bytes)
}

fn index(name: &str) -> Document {
    let path = format!("{}/{INDEX}", folder(name));
    Document::other(Ecosystem::Maven, name, path)
}

#[derive(Default)]
pub(super) struct Maven;

impl Protocol for Maven {
    fn answer<'a>(&'a self, desk: &'a Desk, asked: &'a Asked<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match Route::of(asked.path) {
                Route::Index { name, end } => index_answer(desk, &name, end, asked).await,
                Route::File { file, end } => file_answer(desk, &file, end, asked).await,
                Route::Unknown { why } => Answer::refused(why),
            }
        })
    }

    /// Maven adds it to the class path of every plugin that does not name it, and takes it for its own defaults.
    fn builders(&self) -> &'static [&'static str] {
        &["org.codehaus.plexus:plexus-utils"]
    }
}

async fn index_answer(desk: &Desk, name: &str, end: &str, asked: &Asked<'_>) -> Answer {
    let allowed = desk.allows(name).await;
    if allowed == Allowed::No {
        return Answer::outside();
    }
    let mut document = index(name);
    document.path.push_str(end);
    let kind = if end.is_empty() { XML } else { TEXT };
    match desk.gateway().document(&document, desk.age(name)).await {
        Ok(body) => Answer::document(kind, body, asked.headers),
        Err(error) => Answer::failed(&error),
    }
    .marked(allowed)
}

async fn file_answer(desk: &Desk, file: &MavenFile, end: &str, asked: &Asked<'_>) -> Answer {
    let allowed = desk.allows(&file.name).await;
    if allowed == Allowed::No {
        return Answer::outside();
    }
    if !end.is_empty() {
        let beside = file.beside(end);
        return match desk.gateway().short(&beside).await {
            Ok(Some(body)) => Answer::document(TEXT, body, asked.headers),
            Ok(None) => Answer::of(StatusCode::NOT_FOUND, TEXT, Bytes::new()),
            Err(error) => Answer::failed(&error),
        }
        .marked(allowed);
    }
    let (url, integrity) = match desk.gateway().maven_stated(file).await {
        Ok(stated) => stated,
        Err(error) => return Answer::failed(&error).marked(allowed),
    };
    match desk.fetch(&url, &integrity).await {
        Ok(path) => {
            if file.file.ends_with(".pom") {
                learn(desk, path.clone()).await;
            }
            desk.send(&path).await
        }
        Err(answer) => answer,
    }
    .marked(allowed)
}

/// Takes in what a POM needs before the client can ask for it.
async fn learn(desk: &Desk, path: PathBuf) {
    let names = spawn_blocking(move || read_pom(&path).map(|pom| pom.mentions())).await;
    // What cannot be read names nothing; the client will say so.
    let names: BTreeSet<String> = names.ok().and_then(Result::ok).unwrap_or_default();
    desk.grow(&names);
}

/// What a path below `/maven/` asks for; `end` is empty or names a digest or signature.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Index { name: String, end: &'static str },
    File { file: MavenFile, end: &'static str },
    Unknown { why: &'static str },
}

impl Route {
    fn of(path: &str) -> Self {
        let end = BESIDE
            .into_iter()
            .find(|end| path.ends_with(end))
            .unwrap_or_default();
        let path = &path[..path.len() - end.len()];
        let Some((folder, file)) = path.rsplit_once('/') else {
            return Self::Unknown {
                why: "no file of an artifact",
            };
        };
        if file == INDEX {
            return match name(folder) {
                Some(name) => Self::Index { name, end },
                None => Self::Unknown {
                    why: "no artifact name",
                },
            };
        }
        let Some((folder, version)) = folder.rsplit_once('/') else {
            return Self::Unknown {
                why: "no version of an artifact",
            };
        };
        match name(folder) {
            Some(name) if is_of(file, &name, version) => Self::File {
                file: MavenFile {
                    name,
                    version: version.to_owned(),
                    file: file.to_owned(),
                },
                end,
            },
            _ => Self::Unknown {
                why: "no file of an artifact",
            },
        }
    }
}

/// `group:artifact` of a folder `group/of/it/artifact`.
fn name(folder: &str) -> Option<String> {
    let (group, artifact) = folder.rsplit_once('/')?;
    let name = format!("{}:{artifact}", group.replace('/', "."));
    let package = PackageRef::new(Ecosystem::Maven, &name, None).ok()?;
    // A dot inside a folder's name would be another group.
    (!group.contains('.')).then_some(package.name)
}

fn is_of(file: &str, name: &str, version: &str) -> bool {
    let artifact = name.split_once(':').map_or("", |(_, artifact)| artifact);
    PackageRef::new(Ecosystem::Maven, name, Some(version)).is_ok()
        && is_file_name(file)
        && file
            .strip_prefix(artifact)
            .and_then(|rest| rest.strip_prefix('-')?.strip_prefix(version))
            .is_some_and(|rest| rest.starts_with(['.', '-']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_and_indexes_are_understood() {
        assert_eq!(
            Route::of("com/example/demo/maven-metadata.xml.sha1"),
            Route::Index {
                name: "com.example:demo".into(),
                end: ".sha1"
            }
        );
        let file = MavenFile::new("com.example:demo-x", "1.0-rc+1", Some("tests"), "jar");
        assert_eq!(
            Route::of("com/example/demo-x/1.0-rc+1/demo-x-1.0-rc+1-tests.jar.asc"),
            Route::File {
                file: file.clone(),
                end: ".asc"
            }
        );
        assert_eq!(
            file.document().unwrap().path,
            "com/example/demo-x/1.0-rc%2B1/demo-x-1.0-rc%2B1-tests.jar"
        );
    }

    #[test]
    fn odd_paths_are_not_understood() {
        for path in [
            "",
            "..",
            "a/../b/maven-metadata.xml",
            "a/b",
            "g/a/1.0/b-1.0.jar",
            "g/a/1.0/a-1.1.jar",
            "g/a/../a-...jar",
            "g/a/1.0/a-1.0.jar/x",
            "g.h/a/1.0/a-1.0.jar",
            "g//a/1.0/a-1.0.jar",
            "g/a/1.0/a-1.0\r\n.jar",
            "maven-metadata.xml",
        ] {
            let route = Route::of(path);
            assert!(matches!(route, Route::Unknown { .. }), "{path}: {route:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_understood_stays_in_its_place(path in "(/|\\.|-|[a-z1?%]|maven-metadata.xml){0,16}") {
            match Route::of(&path) {
                Route::Index { name, .. } => prop_assert!(!index(&name).path.contains("..")),
                Route::File { file, .. } => {
                    let path = file.document().unwrap().path;
                    prop_assert!(!path.split('/').any(|part| part.is_empty() || part.starts_with('.')));
                }
                Route::Unknown { .. } => {}
            }
        }
    }
}
