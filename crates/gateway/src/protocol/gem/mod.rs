//! RubyGems: the compact index, marshalled specifications and gems below `/gem/`.
//!
//! `gem` asks for the root to see whether there is a compact index, then for `info/NAME`, then for
//! `quick/Marshal.4.8/FULL-NAME.gemspec.rz` (older versions only) and `gems/FULL-NAME.gem`.

mod index;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use axum::http::StatusCode;
use bytes::Bytes;
use reqwest::Url;
use tokio::task::spawn_blocking;

use super::prepared::Prepared;
use super::{Asked, BoxFuture, Protocol, is_file_name};
use crate::error::GatewayError;
use crate::gateway::{Document, FRESH, FRESH_DEPENDENCY, Gateway, Until};
use crate::integrity::Integrity;
use crate::serve::{Allowed, Answer, Desk};
use crate::sync::lock;
pub use index::GemVersion;

const TEXT: &str = "text/plain; charset=utf-8";
/// What was published later is taken out elsewhere, or the document is about one version.
const UNCHANGED: Option<Until> = Some(|body, _| Ok(Bytes::copy_from_slice(body)));
/// The page of a gem without versions.
const NO_VERSIONS: &[u8] = b"---\n";
const BYTES: &str = "application/octet-stream";

#[derive(Default)]
pub(super) struct Gem {
    versions: Prepared<Vec<GemVersion>>,
    /// Files of the versions that were listed, by full name.
    files: Mutex<HashMap<String, Integrity>>,
}

impl Gateway {
    /// All versions of a gem, in the order of the compact index; at most 60 s old.
    ///
    /// # Errors
    /// [`GatewayError::NotFound`] when the registry has no such gem; others when it cannot be asked or answers
    /// nonsense.
    pub async fn gem_versions(&self, name: &str) -> Result<Vec<GemVersion>, GatewayError> {
        let body = self.gem_info(name, FRESH).await?;
        self.usable(&info(name)?, Ok(index::parse(&body)))
    }

    /// The page of a gem in the compact index. It tells no times, so that an earlier one takes a second document.
    async fn gem_info(&self, name: &str, age: Duration) -> Result<Bytes, GatewayError> {
        let document = info(name)?;
        let body = self.document(&document, age).await?;
        let Some(time) = self.as_of() else {
            return Ok(body);
        };
        let details = self.gem_details(name).await.map_err(|error| {
            if error.is_not_found() {
                GatewayError::NoTimes(Ecosystem::Gem)
            } else {
                error
            }
        })?;
        self.usable(&document, Ok(index::until(&body, &details, time)))
    }

    /// What the registry's own interface tells about the versions of a gem (`number`, `platform`, `created_at`, …);
    /// mirrors have none.
    ///
    /// # Errors
    /// As [`Gateway::gem_versions`].
    pub async fn gem_details(&self, name: &str) -> Result<Bytes, GatewayError> {
        let package = PackageRef::new(Ecosystem::Gem, name, None)?;
        let path = format!("api/v1/versions/{}.json", package.name);
        let document = Document {
            until: UNCHANGED,
            ..Document::json(&package, path, "application/json")
        };
        self.document(&document, FRESH_DEPENDENCY).await
    }

    /// Address of a gem's file by its name without `.gem`.
    ///
    /// # Errors
    /// When no registry is configured.
    pub fn gem_file(&self, full_name: &str) -> Result<Url, GatewayError> {
        let path = format!("gems/{full_name}.gem");
        self.document_url(&Document::other(Ecosystem::Gem, full_name, path))
    }
}

fn info(name: &str) -> Result<Document, GatewayError> {
    let package = PackageRef::new(Ecosystem::Gem, name, None)?;
    let path = format!("info/{}", package.name);
    Ok(Document {
        normal: |_, body, _| index::parse(&body).map(|_| body),
        until: UNCHANGED,
        ..Document::other(Ecosystem::Gem, &package.name, path)
    })
}

impl Protocol for Gem {
    fn answer<'a>(&'a self, desk: &'a Desk, asked: &'a Asked<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match Route::of(asked.path) {
                Route::Root => Answer::of(StatusCode::OK, TEXT, Bytes::new()),
                Route::Info { name } => self.info(desk, &name, asked).await,
                Route::Specification { full_name } => self.specification(desk, &full_name).await,
                Route::File { full_name } => self.file(desk, &full_name).await,
                Route::Account => Answer::unauthorised("asks for the account in use"),
                Route::Unknown { why } => Answer::refused(why),
            }
        })
    }

    fn is_about_account(&self, path: &str) -> bool {
        Route::of(path) == Route::Account
    }

    fn seed<'a>(&'a self, desk: &'a Desk) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for root in desk.roots() {
                let Ok(document) = info(root) else { continue };
                if let Some(body) = desk.gateway().recorded_document(&document).await {
                    self.learn(desk, root, &index::parse(&body).unwrap_or_default());
                }
            }
        })
    }
}

impl Gem {
    async fn info(&self, desk: &Desk, name: &str, asked: &Asked<'_>) -> Answer {
        let allowed = desk.allows(name).await;
        if allowed == Allowed::No {
            return Answer::outside();
        }
        let answer = match self.fetch(desk, name, desk.age(name)).await {
            Ok(body) => Answer::document(TEXT, body, asked.headers),
            // A gem from a file need not be published. Clients take a missing page for a server without compact
            // index, and would ask for the list of all gems.
            Err(error) if error.is_not_found() && desk.roots().iter().any(|root| root == name) => {
                Answer::document(TEXT, Bytes::from_static(NO_VERSIONS), asked.headers)
            }
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    async fn fetch(&self, desk: &Desk, name: &str, age: Duration) -> Result<Bytes, GatewayError> {
        let gateway = desk.gateway();
        let document = info(name)?;
        let body = gateway.gem_info(name, age).await?;
        let versions = match self.versions.get(name, &body) {
            Some(ready) => ready,
            None => {
                let parsed = spawn_blocking({
                    let body = body.clone();
                    move || index::parse(&body)
                });
                let versions = Arc::new(gateway.usable(&document, parsed.await)?);
                self.versions.put(name.to_owned(), body.clone(), &versions);
                versions
            }
        };
        self.learn(desk, name, &versions);
        Ok(body)
    }

    /// Takes in which files there are and what they depend on.
    fn learn(&self, desk: &Desk, name: &str, versions: &[GemVersion]) {
        let mut files = lock(&self.files);
        for version in versions {
            desk.grow(version.dependencies.iter().map(|(name, _)| name));
            files.insert(version.full_name(name), version.integrity.clone());
        }
    }

    fn listed(&self, full_name: &str) -> Option<Integrity> {
        lock(&self.files).get(full_name).cloned()
    }

    /// Nothing states its digest; it is loaded in the sandbox alone, and what it says is the index' word again.
    async fn specification(&self, desk: &Desk, full_name: &str) -> Answer {
        if self.listed(full_name).is_none() {
            return Answer::refused("no gem that was offered");
        }
        let path = format!("quick/Marshal.4.8/{full_name}.gemspec.rz");
        let document = Document {
            until: UNCHANGED,
            ..Document::other(Ecosystem::Gem, full_name, path)
        };
        match desk.gateway().document(&document, FRESH_DEPENDENCY).await {
            Ok(body) => Answer::of(StatusCode::OK, BYTES, body),
            Err(error) => Answer::failed(&error),
        }
    }

    async fn file(&self, desk: &Desk, full_name: &str) -> Answer {
        let Some(integrity) = self.listed(full_name) else {
            return Answer::refused("no gem that was offered");
        };
        match desk.gateway().gem_file(full_name) {
            Ok(url) => desk.file(url.as_str(), &integrity).await,
            Err(error) => Answer::failed(&error),
        }
    }
}

/// What a path below `/gem/` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    /// Whether there is a compact index.
    Root,
    Info {
        name: String,
    },
    Specification {
        full_name: String,
    },
    File {
        full_name: String,
    },
    Account,
    Unknown {
        why: &'static str,
    },
}

impl Route {
    fn of(path: &str) -> Self {
        // Newer clients ask for the head of `versions`; only bundler reads it, for names that it then asks for.
        if path.is_empty() || path == "versions" {
            return Self::Root;
        }
        if let Some(name) = path.strip_prefix("info/") {
            return match PackageRef::new(Ecosystem::Gem, name, None) {
                Ok(package) => Self::Info { name: package.name },
                Err(_) => Self::Unknown { why: "no gem name" },
            };
        }
        let full_name = |start: &str, end: &str| {
            let name = path.strip_prefix(start)?.strip_suffix(end)?;
            is_file_name(name).then(|| name.to_owned())
        };
        if let Some(full_name) = full_name("quick/Marshal.4.8/", ".gemspec.rz") {
            return Self::Specification { full_name };
        }
        if let Some(full_name) = full_name("gems/", ".gem") {
            return Self::File { full_name };
        }
        let account = ["api/v1/api_key", "api/v1/gems.", "api/v1/profile"];
        if account.iter().any(|start| path.starts_with(start)) {
            return Self::Account;
        }
        Self::Unknown {
            why: "nothing that an installation needs",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_understood() {
        assert_eq!(Route::of(""), Route::Root);
        assert_eq!(
            Route::of("info/net-http"),
            Route::Info {
                name: "net-http".into()
            }
        );
        let full_name = "a-1.0-x86_64-linux".to_owned();
        assert_eq!(
            Route::of("gems/a-1.0-x86_64-linux.gem"),
            Route::File {
                full_name: full_name.clone()
            }
        );
        assert_eq!(
            Route::of("quick/Marshal.4.8/a-1.0-x86_64-linux.gemspec.rz"),
            Route::Specification { full_name }
        );
        assert_eq!(Route::of("api/v1/gems.json"), Route::Account);
    }

    #[test]
    fn odd_paths_are_not_understood() {
        for path in [
            "info/",
            "info/../x",
            "info/a/b",
            "gems/../x.gem",
            "gems/a",
            "gems/.gem",
            "quick/Marshal.4.8/../a.gemspec.rz",
            "specs.4.8.gz",
            "api/v1/search.json",
        ] {
            let route = Route::of(path);
            assert!(matches!(route, Route::Unknown { .. }), "{path}: {route:?}");
        }
    }
}
