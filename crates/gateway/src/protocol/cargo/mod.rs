//! cargo: the sparse index and crate files below `/cargo/`.

mod index;

use std::sync::Arc;
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::prepared::Prepared;
use super::{Asked, BoxFuture, Protocol};
use crate::error::GatewayError;
use crate::gateway::{Document, FRESH, FRESH_DEPENDENCY, Gateway};
use crate::serve::{Allowed, Answer, Desk, JSON};
use index::Index;

const TEXT: &str = "text/plain";
/// Where crate files are, below the gateway's `/cargo/`.
const DOWNLOADS: &str = "api/v1/crates/";

#[derive(Default)]
pub(super) struct Cargo {
    indexes: Prepared<Index>,
}

impl Gateway {
    /// The sparse index' lines about a crate, a JSON object per version, as the registry gave them; at most 60 s
    /// old.
    ///
    /// # Errors
    /// [`GatewayError::NotFound`] when the registry has no such crate; others when it cannot be asked or answers
    /// nonsense.
    pub async fn crate_index(&self, name: &str) -> Result<Bytes, GatewayError> {
        self.document(&document(name)?, FRESH).await
    }

    /// Where the registry keeps the file of a crate's version; `cksum` is what the index states.
    ///
    /// # Errors
    /// When the registry's `config.json` cannot be had or names no place.
    pub async fn crate_url(
        &self,
        name: &str,
        version: &str,
        cksum: &str,
    ) -> Result<String, GatewayError> {
        let document = Document {
            ecosystem: Ecosystem::Cargo,
            name: "config.json".to_owned(),
            path: "config.json".to_owned(),
            accept: "*/*",
            normal: |_, body, _| Config::parse(&body).map(|_| body),
            // Where files are does not change what there is.
            until: Some(|body, _| Ok(Bytes::copy_from_slice(body))),
        };
        let body = self.document(&document, FRESH_DEPENDENCY).await?;
        match Config::parse(&body) {
            Ok(config) => Ok(config.file(name, version, cksum)),
            Err(_) => Err(GatewayError::Url("config.json".into())),
        }
    }
}

/// What a registry's `config.json` says.
#[derive(Deserialize)]
struct Config {
    dl: String,
}

impl Config {
    fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }

    /// With markers it is a template, else the beginning of the address.
    fn file(&self, name: &str, version: &str, cksum: &str) -> String {
        let lower = name.to_ascii_lowercase();
        let markers = [
            ("{crate}", name.to_owned()),
            ("{version}", version.to_owned()),
            ("{prefix}", index::prefix(name)),
            ("{lowerprefix}", index::prefix(&lower)),
            ("{sha256-checksum}", cksum.to_owned()),
        ];
        if markers.iter().any(|(marker, _)| self.dl.contains(marker)) {
            return markers
                .iter()
                .fold(self.dl.clone(), |url, (marker, value)| {
                    url.replace(marker, value)
                });
        }
        format!(
            "{}/{name}/{version}/download",
            self.dl.trim_end_matches('/')
        )
    }
}

fn document(name: &str) -> Result<Document, GatewayError> {
    let package = PackageRef::new(Ecosystem::Cargo, name, None)?;
    Ok(Document {
        ecosystem: Ecosystem::Cargo,
        path: index::path(&package.name),
        name: package.name,
        accept: "*/*",
        normal: |_, body, _| Index::parse(&body).map(|_| body),
        until: Some(index::until),
    })
}

impl Protocol for Cargo {
    fn answer<'a>(&'a self, desk: &'a Desk, asked: &'a Asked<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match Route::of(asked.path) {
                Route::Config => config(desk),
                Route::Lines { name } => self.lines(desk, &name, asked).await,
                Route::File { name, version } => self.file(desk, &name, &version).await,
                Route::Account => Answer::unauthorised("asks who is logged in"),
                Route::Unknown { why } => Answer::refused(why),
            }
        })
    }

    fn is_about_account(&self, path: &str) -> bool {
        Route::of(path) == Route::Account
    }

    /// What is analysed is built from a file: its lines may never be asked for.
    fn seed<'a>(&'a self, desk: &'a Desk) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for root in desk.roots() {
                let Ok(document) = document(root) else {
                    continue;
                };
                let recorded = desk.gateway().recorded_document(&document).await;
                if let Some(Ok(index)) = recorded.map(|body| Index::parse(&body)) {
                    desk.grow(&index.dependencies);
                }
            }
        })
    }
}

/// Files and the registry's own interface are here too, so that nothing of cargo's goes past the gateway.
fn config(desk: &Desk) -> Answer {
    let base = desk.base();
    let body = serde_json::json!({
        "dl": format!("{base}/cargo/{}", DOWNLOADS.trim_end_matches('/')),
        "api": format!("{base}/cargo"),
    });
    Answer::of(StatusCode::OK, JSON, body.to_string().into())
}

impl Cargo {
    async fn lines(&self, desk: &Desk, name: &str, asked: &Asked<'_>) -> Answer {
        let allowed = desk.allows(name).await;
        if allowed == Allowed::No {
            return Answer::outside();
        }
        let answer = match self.fetch(desk.gateway(), name, desk.age(name)).await {
            Ok((index, body)) => {
                desk.grow(&index.dependencies);
                Answer::document(TEXT, body, asked.headers)
            }
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    async fn file(&self, desk: &Desk, name: &str, version: &str) -> Answer {
        let lower = name.to_ascii_lowercase();
        let allowed = desk.allows(&lower).await;
        if allowed == Allowed::No {
            return Answer::outside();
        }
        // Its lines were served a moment ago; another age would ask again.
        let index = self.fetch(desk.gateway(), &lower, FRESH_DEPENDENCY).await;
        let index = match index {
            Ok((index, _)) => index,
            Err(error) => return Answer::failed(&error).marked(allowed),
        };
        let Some(found) = index.versions.get(version) else {
            return Answer::refused("no such version").marked(allowed);
        };
        let url = desk.gateway().crate_url(&found.name, version, &found.cksum);
        match url.await {
            Ok(url) => desk.file(&url, &found.integrity).await,
            Err(error) => Answer::failed(&error),
        }
        .marked(allowed)
    }

    async fn fetch(
        &self,
        gateway: &Gateway,
        name: &str,
        age: Duration,
    ) -> Result<(Arc<Index>, Bytes), GatewayError> {
        let document = document(name)?;
        let body = gateway.document(&document, age).await?;
        if let Some(ready) = self.indexes.get(name, &body) {
            return Ok((ready, body));
        }
        let parsed = spawn_blocking({
            let body = body.clone();
            move || Index::parse(&body)
        });
        let index = Arc::new(gateway.usable(&document, parsed.await)?);
        self.indexes.put(name.to_owned(), body.clone(), &index);
        Ok((index, body))
    }
}

/// What a path below `/cargo/` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Config,
    /// A crate's lines of the index; the name is in small letters.
    Lines {
        name: String,
    },
    File {
        name: String,
        version: String,
    },
    /// Who is logged in.
    Account,
    Unknown {
        why: &'static str,
    },
}

impl Route {
    fn of(path: &str) -> Self {
        match path {
            "config.json" => return Self::Config,
            "me" | "api/v1/me" => return Self::Account,
            _ => {}
        }
        if let Some(file) = path.strip_prefix(DOWNLOADS) {
            return Self::of_file(file);
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        match PackageRef::new(Ecosystem::Cargo, name, None) {
            Ok(package) if index::path(&package.name) == path => Self::Lines { name: package.name },
            _ => Self::Unknown {
                why: "no place of the index",
            },
        }
    }

    fn of_file(path: &str) -> Self {
        let parts: Vec<_> = path.splitn(4, '/').collect();
        let [name, version, "download"] = parts[..] else {
            return Self::Unknown {
                why: "no crate's file",
            };
        };
        match PackageRef::new(Ecosystem::Cargo, name, Some(version)) {
            Ok(_) => Self::File {
                name: name.to_owned(),
                version: version.to_owned(),
            },
            Err(_) => Self::Unknown {
                why: "no crate's name and version",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_index_and_files_are_understood() {
        assert_eq!(Route::of("config.json"), Route::Config);
        for (path, name) in [
            ("1/a", "a"),
            ("2/ab", "ab"),
            ("3/a/abc", "abc"),
            ("se/rd/serde_json", "serde_json"),
        ] {
            let name = name.to_owned();
            assert_eq!(Route::of(path), Route::Lines { name });
        }
        assert_eq!(
            Route::of("api/v1/crates/Inflector/0.11.4+x/download"),
            Route::File {
                name: "Inflector".into(),
                version: "0.11.4+x".into()
            }
        );
    }

    #[test]
    fn odd_paths_are_not_understood() {
        for path in [
            "",
            "..",
            "se/rd/../x",
            "se/rd/other",
            "1/ab",
            "Se/Rd/Serde",
            "3/a/a%62c",
            "api/v1/crates",
            "api/v1/crates/a",
            "api/v1/crates/a/1.0.0/owners",
            "api/v1/crates/../1.0.0/download",
            "api/v1/crates/a/../download",
            "api/v1/crates/a/1.0.0/download/x",
        ] {
            let route = Route::of(path);
            assert!(matches!(route, Route::Unknown { .. }), "{path}: {route:?}");
        }
    }

    #[test]
    fn a_place_for_files_may_be_a_template() {
        let file = |dl: &str| Config { dl: dl.to_owned() }.file("Serde-X", "1.0.0", "00ff");
        assert_eq!(
            file("http://r.test/c"),
            "http://r.test/c/Serde-X/1.0.0/download"
        );
        assert_eq!(
            file("http://r.test/{prefix}/{lowerprefix}/{crate}-{version}.crate?{sha256-checksum}"),
            "http://r.test/Se/rd/se/rd/Serde-X-1.0.0.crate?00ff"
        );
    }

    proptest! {
        #[test]
        fn a_name_that_is_understood_is_a_name(path in "(api/v1/crates/|/|\\.|-|[a-zA-Z%]|download){0,8}") {
            if let Route::Lines { name } | Route::File { name, .. } = Route::of(&path) {
                prop_assert!(PackageRef::new(Ecosystem::Cargo, &name, None).is_ok());
            }
        }
    }
}
