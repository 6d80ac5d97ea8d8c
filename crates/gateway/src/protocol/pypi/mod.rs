//! PyPI: project pages below `/pypi/simple/`, files below `/pypi/files/`.

mod html;
mod project;
mod requires;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use reqwest::Url;
use tokio::task::spawn_blocking;

use super::prepared::Prepared;
use super::{Asked, BoxFuture, Protocol, is_file_name};
use crate::error::GatewayError;
use crate::gateway::{Document, FRESH, Gateway};
use crate::serve::{Allowed, Answer, Desk};
use crate::sync::lock;
use project::{Project, ProjectFile};

const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
     application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.1";
const SIMPLE_JSON: &str = "application/vnd.pypi.simple.v1+json";
const HTML: &str = "text/html; charset=utf-8";

#[derive(Default)]
pub(super) struct Pypi {
    projects: Prepared<Project>,
    /// Files on the project pages that were served, by id and name.
    files: Mutex<HashMap<(String, String), ProjectFile>>,
    /// Artifacts whose dependencies are in the closure.
    learned: Mutex<HashSet<PathBuf>>,
}

impl Gateway {
    /// The project page of `name` in the JSON form of the simple API; at most 60 s old. Addresses in it may be
    /// relative to the page, which [`Gateway::pypi_page`] gives.
    ///
    /// # Errors
    /// As [`Gateway::npm_packument`].
    pub async fn pypi_project(&self, name: &str) -> Result<Bytes, GatewayError> {
        self.document(&document(name)?, FRESH).await
    }

    /// Address of the project page of `name`.
    ///
    /// # Errors
    /// When no PyPI registry is configured, or the name is none.
    pub fn pypi_page(&self, name: &str) -> Result<Url, GatewayError> {
        self.document_url(&document(name)?)
    }
}

fn document(name: &str) -> Result<Document, GatewayError> {
    let package = PackageRef::new(Ecosystem::Pypi, name, None)?;
    let path = format!("{}/", package.name);
    Ok(Document {
        normal: as_json,
        until: Some(project::until),
        ..Document::json(&package, path, ACCEPT)
    })
}

/// Pages are recorded in their JSON form, whatever the registry speaks.
fn as_json(page: &Url, body: Bytes, html: bool) -> Result<Bytes, String> {
    let body = match html {
        true => html::to_json(&String::from_utf8_lossy(&body), page),
        false => body,
    };
    Document::check_json(page, body, false)
}

impl Protocol for Pypi {
    fn answer<'a>(&'a self, desk: &'a Desk, asked: &'a Asked<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match Route::of(asked.path) {
                Route::Project { name } => self.project(desk, &name, asked).await,
                Route::File {
                    id,
                    filename,
                    metadata,
                } => self.file(desk, &id, &filename, metadata).await,
                Route::Unknown { why } => Answer::refused(why),
            }
        })
    }

    fn builders(&self) -> &'static [&'static str] {
        &["setuptools", "wheel"]
    }
}

impl Pypi {
    async fn project(&self, desk: &Desk, name: &str, asked: &Asked<'_>) -> Answer {
        let allowed = desk.allows(name).await;
        if allowed == Allowed::No {
            return Answer::outside();
        }
        let answer = match self.fetch(desk.gateway(), name, desk.age(name)).await {
            Ok(project) => {
                let files = project.files.iter();
                lock(&self.files)
                    .extend(files.map(|file| ((file.id(), file.filename.clone()), file.clone())));
                if asked.accepts(SIMPLE_JSON) || !asked.accepts("html") {
                    let body = project.document.render(desk.base());
                    Answer::document(SIMPLE_JSON, body, asked.headers)
                } else {
                    Answer::document(HTML, project.html(desk.base()), asked.headers)
                }
            }
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    async fn file(&self, desk: &Desk, id: &str, filename: &str, metadata: bool) -> Answer {
        let file = lock(&self.files)
            .get(&(id.to_owned(), filename.to_owned()))
            .cloned();
        let Some(file) = file else {
            return Answer::refused("no file of a project that was offered");
        };
        let (url, integrity) = match (&file.metadata, metadata) {
            (_, false) => (file.url.clone(), file.integrity.clone()),
            (Some(integrity), true) => (file.metadata_url(), integrity.clone()),
            (None, true) => return Answer::refused("no metadata file was offered"),
        };
        match desk.fetch(url.as_str(), &integrity).await {
            Ok(path) => {
                self.learn(desk, &path, filename, metadata).await;
                desk.send(&path).await
            }
            Err(answer) => answer,
        }
    }

    async fn fetch(
        &self,
        gateway: &Gateway,
        name: &str,
        age: Duration,
    ) -> Result<Arc<Project>, GatewayError> {
        let document = document(name)?;
        let body = gateway.document(&document, age).await?;
        if let Some(ready) = self.projects.get(name, &body) {
            return Ok(ready);
        }
        let page = gateway.document_url(&document)?;
        let parsed = spawn_blocking({
            let body = body.clone();
            move || Project::parse(&page, body)
        });
        let project = Arc::new(gateway.usable(&document, parsed.await)?);
        self.projects.put(name.to_owned(), body, &project);
        Ok(project)
    }

    /// Takes in what an artifact depends on before the client can ask for it.
    async fn learn(&self, desk: &Desk, path: &Path, filename: &str, metadata: bool) {
        if !lock(&self.learned).insert(path.to_owned()) {
            return;
        }
        let (path, filename) = (path.to_owned(), filename.to_owned());
        let names = spawn_blocking(move || {
            if metadata {
                let text = std::fs::read(&path).unwrap_or_default();
                requires::in_metadata(&String::from_utf8_lossy(&text))
            } else {
                requires::in_artifact(&path, &filename)
            }
        });
        if let Ok(names) = names.await {
            desk.grow(&names);
        }
    }
}

/// What a path below `/pypi/` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Project {
        name: String,
    },
    /// A file of a project; `metadata`: the metadata file beside it.
    File {
        id: String,
        filename: String,
        metadata: bool,
    },
    Unknown {
        why: &'static str,
    },
}

impl Route {
    fn of(path: &str) -> Self {
        if let Some(name) = path.strip_prefix("simple/") {
            let name = name.strip_suffix('/').unwrap_or(name);
            return match PackageRef::new(Ecosystem::Pypi, name, None) {
                Ok(package) => Self::Project { name: package.name },
                Err(_) => Self::Unknown {
                    why: "no project name",
                },
            };
        }
        let file = path
            .strip_prefix("files/")
            .and_then(|file| file.split_once('/'));
        match file {
            Some((id, filename)) if is_file_name(id) && is_file_name(filename) => {
                let bare = filename.strip_suffix(".metadata");
                Self::File {
                    id: id.to_owned(),
                    filename: bare.unwrap_or(filename).to_owned(),
                    metadata: bare.is_some(),
                }
            }
            _ => Self::Unknown {
                why: "no file name",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn project_pages_and_files_are_understood() {
        let project = Route::Project {
            name: "foo-bar".into(),
        };
        assert_eq!(Route::of("simple/Foo_Bar/"), project);
        assert_eq!(Route::of("simple/foo-bar"), project);
        assert_eq!(
            Route::of("files/abcd/a-1+local-py3-none-any.whl.metadata"),
            Route::File {
                id: "abcd".into(),
                filename: "a-1+local-py3-none-any.whl".into(),
                metadata: true
            }
        );
    }

    #[test]
    fn odd_paths_are_not_understood() {
        for path in [
            "",
            "simple/",
            "simple/../x/",
            "simple/a/b/",
            "files/x",
            "files/../x",
            "files/x/..",
            "files/x/a/../b",
            "other/a",
        ] {
            let route = Route::of(path);
            assert!(matches!(route, Route::Unknown { .. }), "{path}: {route:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_is_understood_is_a_name(path in "(simple/|files/|\\.|-|/|[a-z?%]){0,12}") {
            match Route::of(&path) {
                Route::Project { name } => {
                    prop_assert!(PackageRef::new(Ecosystem::Pypi, &name, None).is_ok());
                }
                Route::File { id, filename, .. } => {
                    prop_assert!(!id.contains('/') && !filename.contains('/') && !filename.starts_with('.'));
                }
                Route::Unknown { .. } => {}
            }
        }
    }
}
