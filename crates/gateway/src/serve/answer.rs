//! Answers one request.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_model::Ecosystem;
use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use tokio::fs::File;
use tokio::sync::OnceCell;
use tokio_util::io::ReaderStream;

use super::route::Route;
use crate::closure::{Allowed, Closure};
use crate::error::GatewayError;
use crate::gateway::{FRESH, FRESH_DEPENDENCY, Form, Gateway, lock};
use crate::integrity::sha256;
use crate::npm;
use crate::pypi::ProjectFile;
use crate::requires;

const JSON: &str = "application/json";
const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
const SIMPLE_JSON: &str = "application/vnd.pypi.simple.v1+json";
const HTML: &str = "text/html; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// The registry could not answer. Clients repeat requests after a 5xx for minutes; the gateway already has.
const FAILED: StatusCode = StatusCode::FAILED_DEPENDENCY;
/// Files up to this size are sent from memory, bytes.
const SMALL: u64 = 512 << 10;

/// An answer and what the log says about it.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) length: u64,
    pub(super) refused: Option<String>,
    pub(super) outside: bool,
    pub(super) failed: Option<String>,
}

/// Knows what a sandbox may ask for and what it was offered.
pub(super) struct Answerer {
    gateway: Arc<Gateway>,
    ecosystem: Ecosystem,
    base: String,
    roots: Vec<String>,
    closure: Mutex<Closure>,
    /// Dependencies of the roots are known before anything was served.
    seeded: OnceCell<()>,
    /// Files on the project pages that were served, by id and name.
    files: Mutex<HashMap<(String, String), ProjectFile>>,
}

impl Answerer {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        ecosystem: Ecosystem,
        base: String,
        closure: Closure,
        roots: Vec<String>,
    ) -> Self {
        Self {
            gateway,
            ecosystem,
            base,
            roots,
            closure: Mutex::new(closure),
            seeded: OnceCell::new(),
            files: Mutex::default(),
        }
    }

    pub(super) async fn answer(&self, route: &Route, headers: &HeaderMap) -> Answer {
        if let Route::Unknown { why } = route {
            return Answer::refused(why);
        }
        if route
            .ecosystem()
            .is_some_and(|ecosystem| ecosystem != self.ecosystem)
        {
            return Answer::refused("another ecosystem's registry");
        }
        match route {
            Route::Packument { name } => self.packument(name, headers).await,
            Route::Tarball { name, file } => self.tarball(name, file).await,
            Route::Project { name } => self.project(name, headers).await,
            Route::File {
                id,
                filename,
                metadata,
            } => self.file(id, filename, *metadata).await,
            Route::Ping => Answer::of(StatusCode::OK, JSON, Bytes::from_static(b"{}")),
            Route::Audit { quick: false } => {
                Answer::of(StatusCode::OK, JSON, Bytes::from_static(b"{}"))
            }
            Route::Audit { quick: true } => Answer::of(
                StatusCode::OK,
                JSON,
                Bytes::from_static(
                    b"{\"actions\":[],\"advisories\":{},\"muted\":[],\"metadata\":{}}",
                ),
            ),
            Route::WhoAmI => Answer::unauthorised("asks who is logged in"),
            Route::Write { .. } => Answer::unauthorised("would change a registry"),
            Route::Unknown { why } => Answer::refused(why),
        }
    }

    async fn packument(&self, name: &str, headers: &HeaderMap) -> Answer {
        let allowed = self.allows(name).await;
        if allowed == Allowed::No {
            return Answer::refused(
                "outside the dependency closure, and the budget of names is used up",
            );
        }
        let (form, kind) = if accepts(headers, ABBREVIATED) {
            (Form::Abbreviated, ABBREVIATED)
        } else {
            (Form::Full, JSON)
        };
        let answer = match self.gateway.packument(name, form, self.age(name)).await {
            Ok(packument) => {
                lock(&self.closure).grow(&packument.dependencies);
                Answer::document(kind, packument.document.render(&self.base), headers)
            }
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    async fn tarball(&self, name: &str, file: &str) -> Answer {
        let allowed = self.allows(name).await;
        let (Some(version), true) = (npm::tarball_version(name, file), allowed != Allowed::No)
        else {
            return Answer::refused("no file of a package that was offered");
        };
        // Its metadata was served a moment ago, in one of the two forms; another age would ask again.
        let packument = match self
            .gateway
            .packument(name, Form::Abbreviated, FRESH_DEPENDENCY)
            .await
        {
            Ok(packument) => packument,
            Err(error) => return Answer::failed(&error).marked(allowed),
        };
        let Some(tarball) = packument.tarballs.get(version) else {
            return Answer::refused("no such version").marked(allowed);
        };
        let answer = match self
            .gateway
            .artifact(&tarball.url, &tarball.integrity)
            .await
        {
            Ok(path) => Answer::file(&path).await,
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    async fn project(&self, name: &str, headers: &HeaderMap) -> Answer {
        let allowed = self.allows(name).await;
        if allowed == Allowed::No {
            return Answer::refused(
                "outside the dependency closure, and the budget of names is used up",
            );
        }
        let answer = match self.gateway.project(name, self.age(name)).await {
            Ok(project) => {
                let files = project.files.iter();
                lock(&self.files)
                    .extend(files.map(|file| ((file.id(), file.filename.clone()), file.clone())));
                if accepts(headers, SIMPLE_JSON) || !accepts(headers, "html") {
                    Answer::document(SIMPLE_JSON, project.document.render(&self.base), headers)
                } else {
                    Answer::document(HTML, project.html(&self.base), headers)
                }
            }
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    async fn file(&self, id: &str, filename: &str, metadata: bool) -> Answer {
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
        match self.gateway.artifact(url.as_str(), &integrity).await {
            Ok(path) => {
                self.learn(&path, filename, metadata).await;
                Answer::file(&path).await
            }
            Err(error) => Answer::failed(&error),
        }
    }

    /// Takes in what a Python artifact depends on before the client can ask for it.
    async fn learn(&self, path: &Path, filename: &str, metadata: bool) {
        let (path, filename) = (path.to_owned(), filename.to_owned());
        let names = tokio::task::spawn_blocking(move || {
            if metadata {
                let text = std::fs::read(&path).unwrap_or_default();
                requires::in_metadata(&String::from_utf8_lossy(&text))
            } else {
                requires::in_artifact(&path, &filename)
            }
        });
        if let Ok(names) = names.await {
            lock(&self.closure).grow(&names);
        }
    }

    async fn allows(&self, name: &str) -> Allowed {
        self.seeded.get_or_init(|| self.seed()).await;
        lock(&self.closure).allows(name)
    }

    /// The client may install what is analysed from a file, and never ask for its metadata.
    async fn seed(&self) {
        if self.ecosystem != Ecosystem::Npm {
            return;
        }
        for root in &self.roots {
            if let Some(packument) = self.gateway.recorded_packument(root).await {
                lock(&self.closure).grow(&packument.dependencies);
            }
        }
    }

    fn age(&self, name: &str) -> Duration {
        if self.roots.iter().any(|root| root == name) {
            FRESH
        } else {
            FRESH_DEPENDENCY
        }
    }
}

fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
}

impl Answer {
    fn of(status: StatusCode, kind: &'static str, body: Bytes) -> Self {
        let length = body.len() as u64;
        Self::with_body(status, kind, length, Body::from(body))
    }

    fn with_body(status: StatusCode, kind: &'static str, length: u64, body: Body) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        Self {
            response,
            length,
            refused: None,
            outside: false,
            failed: None,
        }
    }

    /// Metadata, or "not modified" if the client has it.
    fn document(kind: &'static str, body: Bytes, asked: &HeaderMap) -> Self {
        let tag = format!("\"{}\"", &sha256(&body)[..32]);
        let known = asked
            .get(IF_NONE_MATCH)
            .is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let mut answer = if known {
            Self::of(StatusCode::NOT_MODIFIED, kind, Bytes::new())
        } else {
            Self::of(StatusCode::OK, kind, body)
        };
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            answer.response.headers_mut().insert(ETAG, tag);
        }
        answer
    }

    async fn file(path: &Path) -> Self {
        let opened = async {
            let file = File::open(path).await?;
            let length = file.metadata().await?.len();
            if length <= SMALL {
                let bytes = tokio::fs::read(path).await?;
                return Ok(Self::of(StatusCode::OK, BYTES, bytes.into()));
            }
            let body = Body::from_stream(ReaderStream::with_capacity(file, 256 << 10));
            Ok(Self::with_body(StatusCode::OK, BYTES, length, body))
        };
        opened.await.unwrap_or_else(|source| {
            Self::failed(&GatewayError::Cache {
                path: path.to_owned(),
                source,
            })
        })
    }

    fn refused(why: &str) -> Self {
        Self {
            refused: Some(why.to_owned()),
            ..Self::of(
                StatusCode::NOT_FOUND,
                JSON,
                Bytes::from_static(b"{\"error\":\"Not found\"}"),
            )
        }
    }

    fn unauthorised(why: &str) -> Self {
        Self {
            refused: Some(why.to_owned()),
            ..Self::of(
                StatusCode::UNAUTHORIZED,
                JSON,
                Bytes::from_static(b"{\"error\":\"You must be logged in to do this.\"}"),
            )
        }
    }

    fn failed(error: &GatewayError) -> Self {
        // The sandbox learns nothing about the registry; the log does.
        match error {
            GatewayError::NotFound { .. }
            | GatewayError::Status {
                status: 404 | 410, ..
            } => Self::of(
                StatusCode::NOT_FOUND,
                JSON,
                Bytes::from_static(b"{\"error\":\"Not found\"}"),
            ),
            error => Self {
                failed: Some(error.to_string()),
                ..Self::of(
                    FAILED,
                    JSON,
                    Bytes::from_static(b"{\"error\":\"Not available\"}"),
                )
            },
        }
    }

    fn marked(self, allowed: Allowed) -> Self {
        Self {
            outside: allowed == Allowed::Outside,
            ..self
        }
    }
}
