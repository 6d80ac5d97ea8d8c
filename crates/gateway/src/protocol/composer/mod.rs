//! Composer: a repository of version 2 of its protocol below `/composer/`: `packages.json`, `p2/VENDOR/NAME.json`,
//! and archives, which come from code hosts, below `dist/`.

mod metadata;

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use axum::http::StatusCode;
use bytes::Bytes;

use super::{Asked, BoxFuture, Protocol, is_file_name};
use crate::error::GatewayError;
use crate::gateway::{Document, FRESH, FRESH_DEPENDENCY, Gateway};
use crate::serve::{Allowed, Answer, Desk, JSON};
use crate::sync::lock;
pub use metadata::ComposerVersion;
use metadata::{Dist, metadata_url, requires, served, until, versions};

/// What the client is told about the repository.
const PACKAGES: &[u8] = br#"{"packages":[],"metadata-url":"/composer/p2/%package%.json"}"#;

#[derive(Default)]
pub(super) struct Composer {
    /// Archives of the versions that were served, by package and file.
    archives: Mutex<HashMap<(String, String), Dist>>,
}

impl Gateway {
    /// All versions of a package, stable ones before branches; at most 60 s old.
    ///
    /// # Errors
    /// [`GatewayError::NotFound`] when the registry has no such package; others when it cannot be asked or answers
    /// nonsense.
    pub async fn composer_versions(
        &self,
        name: &str,
    ) -> Result<Vec<ComposerVersion>, GatewayError> {
        let mut all = self.composer_page(name, "", FRESH).await?;
        // Branches have a page of their own, which many packages lack.
        match self.composer_page(name, "~dev", FRESH).await {
            Ok(branches) => all.extend(branches),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        Ok(all)
    }

    async fn composer_page(
        &self,
        name: &str,
        page: &str,
        age: Duration,
    ) -> Result<Vec<ComposerVersion>, GatewayError> {
        let package = PackageRef::new(Ecosystem::Composer, name, None)?;
        let root = Document::other(Ecosystem::Composer, "packages.json", "packages.json".into());
        let root = Document {
            normal: |_, body, _| metadata_url(&body).map(|_| body),
            until: Some(|body, _| Ok(Bytes::copy_from_slice(body))),
            ..root
        };
        let body = self.document(&root, FRESH_DEPENDENCY).await?;
        let place = self.usable(&root, Ok(metadata_url(&body)))?;
        let path = place.replace("%package%", &format!("{}{page}", package.name));
        let document = Document {
            until: Some(until),
            ..Document::json(&package, path, JSON)
        };
        self.check_same_registry(&root, &document)?;
        let body = self.document(&document, age).await?;
        self.usable(&document, Ok(versions(&package.name, &body)))
    }

    /// Metadata decides what is trusted: it may not come from elsewhere.
    fn check_same_registry(
        &self,
        root: &Document,
        document: &Document,
    ) -> Result<(), GatewayError> {
        let (here, there) = (self.document_url(root)?, self.document_url(document)?);
        let same = here.origin() == there.origin();
        let reason = "its metadata-url is another host's".to_owned();
        self.usable(root, Ok(same.then_some(()).ok_or(reason)))
    }
}

impl Protocol for Composer {
    fn answer<'a>(&'a self, desk: &'a Desk, asked: &'a Asked<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match Route::of(asked.path) {
                Route::Root => Answer::of(StatusCode::OK, JSON, Bytes::from_static(PACKAGES)),
                Route::Package { name, page } => self.package(desk, &name, page, asked).await,
                Route::Archive { name, file } => self.archive(desk, name, file).await,
                Route::Unknown { why } => Answer::refused(why),
            }
        })
    }
}

impl Composer {
    async fn package(
        &self,
        desk: &Desk,
        name: &str,
        page: &'static str,
        asked: &Asked<'_>,
    ) -> Answer {
        let allowed = desk.allows(name).await;
        if allowed == Allowed::No {
            return Answer::outside();
        }
        let found = desk
            .gateway()
            .composer_page(name, page, desk.age(name))
            .await;
        let answer = match found {
            Ok(versions) => {
                self.learn(desk, name, &versions);
                let body = served(name, &versions, desk.base());
                Answer::document(JSON, body.into(), asked.headers)
            }
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    /// Takes in which archives there are and what they depend on.
    fn learn(&self, desk: &Desk, name: &str, versions: &[ComposerVersion]) {
        let dists = versions.iter().filter_map(Dist::of);
        let offered: BTreeMap<_, _> = dists
            .map(|dist| ((name.to_owned(), dist.file.clone()), dist))
            .collect();
        lock(&self.archives).extend(offered);
        for version in versions {
            desk.grow(&requires(version));
        }
    }

    async fn archive(&self, desk: &Desk, name: String, file: String) -> Answer {
        let dist = lock(&self.archives).get(&(name, file)).cloned();
        match dist {
            Some(dist) => desk.file(&dist.url, &dist.integrity).await,
            None => Answer::refused("no archive of a package that was offered"),
        }
    }
}

/// What a path below `/composer/` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Root,
    /// Versions of a package; `page` is `~dev` for its branches.
    Package {
        name: String,
        page: &'static str,
    },
    Archive {
        name: String,
        file: String,
    },
    Unknown {
        why: &'static str,
    },
}

impl Route {
    fn of(path: &str) -> Self {
        let unknown = |why| Self::Unknown { why };
        let package = |name: &str| PackageRef::new(Ecosystem::Composer, name, None).ok();
        if path == "packages.json" {
            return Self::Root;
        }
        if let Some(name) = path.strip_prefix("p2/") {
            let Some(name) = name.strip_suffix(".json") else {
                return unknown("no metadata");
            };
            let (name, page) = match name.strip_suffix("~dev") {
                Some(name) => (name, "~dev"),
                None => (name, ""),
            };
            return match package(name) {
                Some(package) => Self::Package {
                    name: package.name,
                    page,
                },
                None => unknown("no package name"),
            };
        }
        let archive = path
            .strip_prefix("dist/")
            .and_then(|path| path.rsplit_once('/'));
        match archive {
            Some((name, file)) if is_file_name(file) => match package(name) {
                Some(package) => Self::Archive {
                    name: package.name,
                    file: file.to_owned(),
                },
                None => unknown("no package name"),
            },
            _ => unknown("nothing that an installation needs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_understood() {
        assert_eq!(Route::of("packages.json"), Route::Root);
        let package = |page| Route::Package {
            name: "a/b".into(),
            page,
        };
        assert_eq!(Route::of("p2/a/b.json"), package(""));
        assert_eq!(Route::of("p2/A/b~dev.json"), package("~dev"));
        assert_eq!(
            Route::of("dist/a/b/0123.zip"),
            Route::Archive {
                name: "a/b".into(),
                file: "0123.zip".into()
            }
        );
    }

    #[test]
    fn odd_paths_are_not_understood() {
        for path in [
            "",
            "p2/a.json",
            "p2/a/b",
            "p2/../b.json",
            "p2/a/b/c.json",
            "dist/a/b/../c",
            "dist/a/b",
            "search.json",
        ] {
            let route = Route::of(path);
            assert!(matches!(route, Route::Unknown { .. }), "{path}: {route:?}");
        }
    }
}
