//! Recorded answers of registries: found, asked for again, replayed.

use std::sync::Arc;
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Url;
use tokio::task::{JoinError, spawn_blocking};

use super::Gateway;
use crate::cache::{About, Record, now};
use crate::error::GatewayError;
use crate::integrity::sha256;
use crate::upstream::{self, Answer, Validators};

/// One document of a registry's metadata.
#[derive(Clone, Debug)]
pub struct Document {
    /// Whose registry.
    pub ecosystem: Ecosystem,
    /// What it is about, for people.
    pub name: String,
    /// Where it is below the registry's root, percent-encoded and made of checked names only: nothing else of a
    /// sandbox's request may get into it.
    pub path: String,
    /// What is asked for, as an `Accept` header.
    pub accept: &'static str,
    /// Makes the form that is recorded from what was answered at an address; the flag says that it is HTML.
    ///
    /// # Errors
    /// In words, when the answer is no such document.
    pub normal: fn(&Url, Bytes, bool) -> Result<Bytes, String>,
    /// Makes what the document said at an earlier time. `None`: it does not tell when things were published.
    ///
    /// # Errors
    /// In words, when it cannot be told.
    pub until: Option<Until>,
}

/// Takes out of a document what was published later.
pub type Until = fn(&[u8], Timestamp) -> Result<Bytes, String>;

impl Document {
    /// A JSON document about `package`.
    pub fn json(package: &PackageRef, path: String, accept: &'static str) -> Self {
        Self {
            ecosystem: package.ecosystem,
            name: package.name.clone(),
            path,
            accept,
            normal: Self::check_json,
            until: None,
        }
    }

    /// A document in a form of its own, which its reader checks.
    pub fn other(ecosystem: Ecosystem, name: &str, path: String) -> Self {
        Self {
            ecosystem,
            name: name.to_owned(),
            path,
            accept: "*/*",
            normal: |_, body, _| Ok(body),
            until: None,
        }
    }

    pub(crate) fn check_json(_: &Url, body: Bytes, _: bool) -> Result<Bytes, String> {
        match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
            Ok(_) => Ok(body),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A document and where it is found.
struct Wanted<'a> {
    document: &'a Document,
    /// Folder and name of the record.
    folder: String,
    key: String,
    url: Url,
}

impl Gateway {
    /// A document of a registry, recorded at most `age` ago (with `offline`: however long ago), as it was at the
    /// configured time.
    ///
    /// # Errors
    /// [`GatewayError::NotFound`] when the registry has no such document; others when it cannot be asked or
    /// answers nonsense, or does not tell times and one is configured.
    pub async fn document(
        &self,
        document: &Document,
        age: Duration,
    ) -> Result<Bytes, GatewayError> {
        let wanted = self.wanted(document)?;
        let record = self.record(&wanted, age).await?;
        self.as_of_now(document, record.body)
    }

    fn as_of_now(&self, document: &Document, body: Bytes) -> Result<Bytes, GatewayError> {
        let Some(time) = self.config.as_of else {
            return Ok(body);
        };
        let until = document
            .until
            .ok_or(GatewayError::NoTimes(document.ecosystem))?;
        let cut = until(&body, time);
        self.usable(document, Ok(cut))
    }

    /// Address of a document.
    ///
    /// # Errors
    /// When no registry is configured.
    pub fn document_url(&self, document: &Document) -> Result<Url, GatewayError> {
        let root = self.config.upstream.get(&document.ecosystem);
        let root = root.ok_or(GatewayError::NoRegistry(document.ecosystem))?;
        let mut root = root.clone();
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        root.join(&document.path)
            .map_err(|_| GatewayError::Url(document.path.as_str().into()))
    }

    /// What was recorded of a document, however old; asks no registry.
    pub(crate) async fn recorded_document(&self, document: &Document) -> Option<Bytes> {
        let record = self.recorded(&self.wanted(document).ok()?).await?;
        let body = record.about.found.then_some(record.body)?;
        self.as_of_now(document, body).ok()
    }

    /// The `Last-Modified` that came with the recorded document.
    pub(crate) async fn document_changed(&self, document: &Document) -> Option<String> {
        let record = self.recorded(&self.wanted(document).ok()?).await?;
        record.about.last_modified
    }

    /// A parsed document, or what is wrong with it.
    pub(crate) fn usable<T>(
        &self,
        document: &Document,
        parsed: Result<Result<T, String>, JoinError>,
    ) -> Result<T, GatewayError> {
        let reason = match parsed {
            Ok(Ok(parsed)) => return Ok(parsed),
            Ok(Err(reason)) => reason,
            Err(_) => "reading it was cut short".to_owned(),
        };
        Err(nonsense(document, &self.document_url(document)?, &reason))
    }

    fn wanted<'a>(&self, document: &'a Document) -> Result<Wanted<'a>, GatewayError> {
        let url = self.document_url(document)?;
        // Another registry's package of the same name is another package.
        let root = self.config.upstream.get(&document.ecosystem);
        let root = root.map_or("", Url::as_str);
        Ok(Wanted {
            folder: format!("{}-{}", document.ecosystem, &sha256(root.as_bytes())[..16]),
            key: format!("{} {}", document.path, document.accept),
            document,
            url,
        })
    }

    /// The record of what is wanted, brought up to date if it is older than `age`.
    async fn record(&self, wanted: &Wanted<'_>, age: Duration) -> Result<Record, GatewayError> {
        let _turn = self.turn(format!("{} {}", wanted.folder, wanted.key)).await;
        let recorded = self.recorded(wanted).await;
        let record = match recorded {
            Some(record) if self.config.offline || record.about.is_fresh(age) => record,
            None if self.config.offline => {
                let what = format!("{}:{}", wanted.document.ecosystem, wanted.document.name);
                return Err(GatewayError::OfflineMiss(what.into()));
            }
            recorded => self.update(wanted, recorded).await?,
        };
        if record.about.found {
            Ok(record)
        } else {
            Err(GatewayError::NotFound {
                ecosystem: wanted.document.ecosystem,
                name: wanted.document.name.as_str().into(),
                registry: upstream::registry(&wanted.url),
            })
        }
    }

    async fn recorded(&self, wanted: &Wanted<'_>) -> Option<Record> {
        let (cache, folder, key) = (
            Arc::clone(&self.cache),
            wanted.folder.clone(),
            wanted.key.clone(),
        );
        spawn_blocking(move || cache.record(&folder, &key))
            .await
            .ok()?
    }

    /// Asks the registry and records its answer.
    async fn update(
        &self,
        wanted: &Wanted<'_>,
        old: Option<Record>,
    ) -> Result<Record, GatewayError> {
        let validators = old
            .as_ref()
            .map_or_else(Validators::default, |old| Validators {
                etag: old.about.etag.clone(),
                last_modified: old.about.last_modified.clone(),
            });
        let answer = self
            .upstream
            .metadata(&wanted.url, wanted.document.accept, &validators)
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
            .put_record(&wanted.folder, &wanted.key, &record)?;
        Ok(record)
    }
}

fn nonsense(document: &Document, url: &Url, reason: &str) -> GatewayError {
    GatewayError::Metadata {
        registry: upstream::registry(url),
        what: format!("{}:{}", document.ecosystem, document.name).into(),
        reason: reason.into(),
    }
}

impl Wanted<'_> {
    fn nonsense(&self, reason: &str) -> GatewayError {
        nonsense(self.document, &self.url, reason)
    }

    /// The body in the form that is recorded, or nothing is.
    fn checked(&self, body: Bytes, html: bool) -> Result<Bytes, GatewayError> {
        (self.document.normal)(&self.url, body, html).map_err(|reason| self.nonsense(&reason))
    }
}
