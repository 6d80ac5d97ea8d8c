//! Recorded answers of registries: found, asked for again, replayed.

use std::sync::Arc;
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use reqwest::Url;
use tokio::task::{JoinError, spawn_blocking};

use super::Gateway;
use crate::cache::{About, Record, now};
use crate::error::GatewayError;
use crate::integrity::sha256;
use crate::upstream::{self, Answer, Validators};
use crate::{npm, pypi};

const ACCEPT_FULL: &str = "application/json";
const ACCEPT_ABBREVIATED: &str =
    "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";
const ACCEPT_SIMPLE: &str = "application/vnd.pypi.simple.v1+json, \
     application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.1";

/// Which form of a packument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Full,
    Abbreviated,
}

/// One kind of metadata of one name.
pub(super) struct Wanted {
    ecosystem: Ecosystem,
    /// Normalised.
    name: String,
    /// Folder of the record.
    folder: String,
    url: Url,
    accept: &'static str,
}

impl Gateway {
    pub(super) async fn npm_record(
        &self,
        name: &str,
        form: Form,
        age: Duration,
    ) -> Result<Record, GatewayError> {
        self.record(&self.npm_wanted(name, form)?, age).await
    }

    pub(super) fn npm_wanted(&self, name: &str, form: Form) -> Result<Wanted, GatewayError> {
        let package = PackageRef::new(Ecosystem::Npm, name, None)?;
        let root = &self.config.upstream.npm;
        let (kind, accept) = match form {
            Form::Full => ("npm", ACCEPT_FULL),
            Form::Abbreviated => ("npm-abbreviated", ACCEPT_ABBREVIATED),
        };
        Ok(Wanted {
            ecosystem: Ecosystem::Npm,
            url: below(root, Ecosystem::Npm, &npm::encoded(&package.name))?,
            name: package.name,
            folder: folder(kind, root),
            accept,
        })
    }

    pub(super) async fn pypi_record(
        &self,
        name: &str,
        age: Duration,
    ) -> Result<Record, GatewayError> {
        self.record(&self.pypi_wanted(name)?, age).await
    }

    pub(super) fn pypi_wanted(&self, name: &str) -> Result<Wanted, GatewayError> {
        Ok(Wanted {
            ecosystem: Ecosystem::Pypi,
            name: PackageRef::new(Ecosystem::Pypi, name, None)?.name,
            folder: folder("pypi", &self.config.upstream.pypi),
            url: self.pypi_page(name)?,
            accept: ACCEPT_SIMPLE,
        })
    }

    /// The record of what is wanted, brought up to date if it is older than `age`.
    async fn record(&self, wanted: &Wanted, age: Duration) -> Result<Record, GatewayError> {
        let _turn = self
            .turn(format!("{} {}", wanted.folder, wanted.name))
            .await;
        let recorded = self.recorded(wanted).await;
        let record = match recorded {
            Some(record) if self.config.offline || record.about.is_fresh(age) => record,
            None if self.config.offline => {
                let what = format!("{}:{}", wanted.ecosystem, wanted.name);
                return Err(GatewayError::OfflineMiss(what.into()));
            }
            recorded => self.update(wanted, recorded).await?,
        };
        if record.about.found {
            Ok(record)
        } else {
            Err(GatewayError::NotFound {
                ecosystem: wanted.ecosystem,
                name: wanted.name.as_str().into(),
                registry: upstream::registry(&wanted.url),
            })
        }
    }

    pub(super) async fn recorded(&self, wanted: &Wanted) -> Option<Record> {
        let (cache, folder, name) = (
            Arc::clone(&self.cache),
            wanted.folder.clone(),
            wanted.name.clone(),
        );
        spawn_blocking(move || cache.record(&folder, &name))
            .await
            .ok()?
    }

    /// Asks the registry and records its answer.
    async fn update(&self, wanted: &Wanted, old: Option<Record>) -> Result<Record, GatewayError> {
        let validators = old
            .as_ref()
            .map_or_else(Validators::default, |old| Validators {
                etag: old.about.etag.clone(),
                last_modified: old.about.last_modified.clone(),
            });
        let answer = self
            .upstream
            .metadata(&wanted.url, wanted.accept, &validators)
            .await?;
        let confirmed = now();
        let (about, body) = match (answer, old) {
            (Answer::Found(found), _) => (
                About {
                    found: true,
                    etag: found.etag,
                    last_modified: found.last_modified,
                    confirmed,
                },
                wanted.checked(found.body, found.html)?,
            ),
            (Answer::NotModified, Some(old)) => (
                About {
                    confirmed,
                    ..old.about
                },
                old.body,
            ),
            (Answer::NotModified, None) => return Err(wanted.nonsense("not modified since never")),
            (Answer::NotFound, _) => (About::not_found(confirmed), Bytes::new()),
        };
        let record = Record { about, body };
        self.cache
            .put_record(&wanted.folder, &wanted.name, &record)?;
        Ok(record)
    }
}

impl Wanted {
    fn nonsense(&self, reason: &str) -> GatewayError {
        GatewayError::Metadata {
            registry: upstream::registry(&self.url),
            what: format!("{}:{}", self.ecosystem, self.name).into(),
            reason: reason.into(),
        }
    }

    /// The parsed document, or what is wrong with it.
    pub(super) fn usable<T>(
        &self,
        parsed: Result<Result<T, String>, JoinError>,
    ) -> Result<T, GatewayError> {
        match parsed {
            Ok(Ok(document)) => Ok(document),
            Ok(Err(reason)) => Err(self.nonsense(&reason)),
            Err(_) => Err(self.nonsense("reading it was cut short")),
        }
    }

    /// The body in the form that is recorded: JSON, or nothing is.
    fn checked(&self, body: Bytes, html: bool) -> Result<Bytes, GatewayError> {
        let body = match (self.ecosystem, html) {
            (Ecosystem::Pypi, true) => pypi::to_json(&String::from_utf8_lossy(&body), &self.url),
            _ => body,
        };
        match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
            Ok(_) => Ok(body),
            Err(error) => Err(self.nonsense(&error.to_string())),
        }
    }
}

/// Folder of the records of one registry: another registry's package of the same name is another package.
fn folder(kind: &str, root: &Option<Url>) -> String {
    let root = root.as_ref().map_or("", Url::as_str);
    format!("{kind}-{}", &sha256(root.as_bytes())[..16])
}

/// `path` below the root of a registry.
pub(super) fn below(
    root: &Option<Url>,
    ecosystem: Ecosystem,
    path: &str,
) -> Result<Url, GatewayError> {
    let mut root = root.clone().ok_or(GatewayError::NoRegistry(ecosystem))?;
    if !root.path().ends_with('/') {
        root.set_path(&format!("{}/", root.path()));
    }
    root.join(path).map_err(|_| GatewayError::Url(path.into()))
}
