//! Alpine and Wolfi repositories: `ARCH/APKINDEX.tar.gz` and `ARCH/NAME-VERSION.apk` below `/apk/`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use apa_apk::{Index, Keys, Record};
use apa_model::{Ecosystem, Hostile};
use bytes::Bytes;
use reqwest::Url;
use tokio::task::spawn_blocking;

use super::prepared::Prepared;
use super::{Asked, BoxFuture, Protocol, is_file_name};
use crate::error::GatewayError;
use crate::gateway::{Document, FRESH, FRESH_DEPENDENCY, Gateway};
use crate::integrity::Integrity;
use crate::serve::{Allowed, Answer, Desk};
use crate::sync::lock;

const INDEX: &str = "APKINDEX.tar.gz";
const GZIP: &str = "application/gzip";

#[derive(Default)]
pub(super) struct Apk {
    indexes: Prepared<Index>,
    /// Files that were found to be what the index describes.
    checked: Mutex<BTreeSet<PathBuf>>,
}

impl Gateway {
    /// The index of a repository for an architecture (`x86_64`), packed and signed as it is; at most 60 s old.
    ///
    /// # Errors
    /// As [`Gateway::npm_packument`].
    pub async fn apk_index(&self, arch: &str) -> Result<Bytes, GatewayError> {
        self.document(&document(arch), FRESH).await
    }

    /// Address of a file of the repository.
    ///
    /// # Errors
    /// When no repository is configured, or the name is none.
    pub fn apk_file(&self, arch: &str, filename: &str) -> Result<Url, GatewayError> {
        if !is_file_name(filename) {
            return Err(GatewayError::Url(filename.into()));
        }
        let path = format!("{arch}/{}", filename.replace('+', "%2B"));
        self.document_url(&Document::other(Ecosystem::Apk, filename, path))
    }
}

fn document(arch: &str) -> Document {
    Document::other(Ecosystem::Apk, "APKINDEX", format!("{arch}/{INDEX}"))
}

impl Protocol for Apk {
    fn answer<'a>(&'a self, desk: &'a Desk, asked: &'a Asked<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match asked.path.split_once('/') {
                Some((arch, INDEX)) if is_arch(arch) => self.index(desk, arch, asked).await,
                Some((arch, file)) if is_arch(arch) && is_package_file(file) => {
                    self.package(desk, arch, file).await
                }
                _ => Answer::refused("neither an index nor a package"),
            }
        })
    }
}

impl Apk {
    async fn index(&self, desk: &Desk, arch: &str, asked: &Asked<'_>) -> Answer {
        match desk
            .gateway()
            .document(&document(arch), FRESH_DEPENDENCY)
            .await
        {
            Ok(body) => Answer::document(GZIP, body, asked.headers),
            Err(error) => Answer::failed(&error),
        }
    }

    async fn package(&self, desk: &Desk, arch: &str, filename: &str) -> Answer {
        let index = match self.read(desk.gateway(), arch).await {
            Ok(index) => index,
            Err(error) => return Answer::failed(&error),
        };
        let record = index.records.iter().find(|it| it.filename() == filename);
        let Some(record) = record else {
            return Answer::refused("no package of the index");
        };
        let allowed = desk.allows(&record.name).await;
        if allowed == Allowed::No {
            return Answer::outside();
        }
        desk.grow(&needed(&index, record));
        let answer = match desk.gateway().apk_file(arch, filename) {
            Ok(url) => self.checked(desk, url.as_str(), record).await,
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    /// The file, if it is the one that the index describes.
    async fn checked(&self, desk: &Desk, url: &str, record: &Record) -> Answer {
        let path = match desk.fetch(url, &Integrity::Unstated).await {
            Ok(path) => path,
            Err(answer) => return answer,
        };
        if !lock(&self.checked).contains(&path) {
            let (file, record) = (path.clone(), record.clone());
            let checked = spawn_blocking(move || check(&file, &record)).await;
            if let Ok(Err(error)) = checked {
                return Answer::failed(&error);
            }
            lock(&self.checked).insert(path.clone());
        }
        desk.send(&path).await
    }

    async fn read(&self, gateway: &Gateway, arch: &str) -> Result<Arc<Index>, GatewayError> {
        let document = document(arch);
        let body = gateway.document(&document, FRESH_DEPENDENCY).await?;
        if let Some(ready) = self.indexes.get(arch, &body) {
            return Ok(ready);
        }
        let parsed = spawn_blocking({
            let body = body.clone();
            // Whether it is signed by a trusted key is the client's to decide.
            move || Index::read(&body, &Keys::default()).map_err(|error| error.to_string())
        });
        let (index, _) = gateway.usable(&document, parsed.await)?;
        let index = Arc::new(index);
        self.indexes.put(arch.to_owned(), body, &index);
        Ok(index)
    }
}

fn check(file: &std::path::Path, record: &Record) -> Result<(), GatewayError> {
    let wrong = |got: String| GatewayError::Integrity {
        what: Hostile::from(record.filename()),
        expected: "the package that the index describes".into(),
        got,
    };
    let archive = apa_archive::read(file, &apa_archive::Limits::default())
        .map_err(|error| wrong(error.to_string()))?;
    let integrity = apa_apk::verify(&archive, &Keys::default());
    record
        .check(&integrity)
        .map_err(|why| wrong(format!("another ({why})")))
}

/// Names of everything that could satisfy what a package needs.
fn needed(index: &Index, record: &Record) -> Vec<String> {
    let needed = record.depends.iter();
    let providers = needed.flat_map(|needed| index.candidates(&needed.name));
    providers.map(|provider| provider.name.clone()).collect()
}

fn is_arch(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_package_file(name: &str) -> bool {
    name.ends_with(".apk") && is_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_asked_for() {
        assert!(is_arch("x86_64") && is_package_file("libstdc++-14.2.0-r1.apk"));
        for odd in ["", "..", "x/y", "x86-64", "a%2f"] {
            assert!(!is_arch(odd), "{odd}");
        }
        for odd in ["../x.apk", ".x.apk", "x", "a/b.apk", "x.apk?y"] {
            assert!(!is_package_file(odd), "{odd}");
        }
    }
}
