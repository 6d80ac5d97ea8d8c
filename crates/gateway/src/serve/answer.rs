//! Answers one request.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_model::Ecosystem;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::ServePolicy;
use super::response::{Answer, JSON};
use super::route::Route;
use crate::closure::{Allowed, Closure};
use crate::gateway::{FRESH, FRESH_DEPENDENCY, Form, Gateway};
use crate::npm;
use crate::pypi::ProjectFile;
use crate::requires;
use crate::sync::lock;

const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
const SIMPLE_JSON: &str = "application/vnd.pypi.simple.v1+json";
const HTML: &str = "text/html; charset=utf-8";

/// Knows what a sandbox may ask for and what it was offered.
pub(super) struct Answerer {
    gateway: Arc<Gateway>,
    ecosystem: Ecosystem,
    base: String,
    roots: Vec<String>,
    closure: Mutex<Closure>,
    file_bytes: u64,
    /// Bytes of files sent so far.
    sent: AtomicU64,
    /// Dependencies of the roots are known before anything was served.
    seeded: OnceCell<()>,
    /// Files on the project pages that were served, by id and name.
    files: Mutex<HashMap<(String, String), ProjectFile>>,
    /// Artifacts whose dependencies are in the closure.
    learned: Mutex<HashSet<PathBuf>>,
}

impl Answerer {
    pub(super) fn new(gateway: Arc<Gateway>, policy: ServePolicy, base: String) -> Self {
        Self {
            gateway,
            base,
            roots: policy.normal(&policy.roots).collect(),
            closure: Mutex::new(Closure::new(policy.names(), policy.name_budget)),
            ecosystem: policy.ecosystem,
            file_bytes: policy.file_bytes,
            sent: AtomicU64::new(0),
            seeded: OnceCell::new(),
            files: Mutex::default(),
            learned: Mutex::default(),
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
        if matches!(route, Route::Tarball { .. } | Route::File { .. }) && self.is_spent() {
            return Answer::refused("more bytes of files than any install needs");
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
            Ok(path) => self.send(&path).await,
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
                self.send(&path).await
            }
            Err(error) => Answer::failed(&error),
        }
    }

    /// Asking for the same file over and over costs the sample less than the analysis.
    fn is_spent(&self) -> bool {
        self.sent.load(Ordering::Relaxed) >= self.file_bytes
    }

    async fn send(&self, path: &Path) -> Answer {
        let answer = Answer::file(path).await;
        self.sent.fetch_add(answer.length, Ordering::Relaxed);
        answer
    }

    /// Takes in what a Python artifact depends on before the client can ask for it.
    async fn learn(&self, path: &Path, filename: &str, metadata: bool) {
        if !lock(&self.learned).insert(path.to_owned()) {
            return;
        }
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
