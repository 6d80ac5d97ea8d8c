//! npm: packuments and tarballs below `/npm/`.

mod packument;

use std::sync::Arc;
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::prepared::Prepared;
use super::{Asked, BoxFuture, Protocol, is_file_name};
use crate::error::GatewayError;
use crate::gateway::{Document, FRESH, FRESH_DEPENDENCY, Gateway};
use crate::serve::{Allowed, Answer, Desk, JSON};
use packument::{Packument, encoded, tarball_version};

const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
const ACCEPT_FULL: &str = "application/json";
const ACCEPT_ABBREVIATED: &str =
    "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";

/// Which form of a packument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Full,
    Abbreviated,
}

#[derive(Default)]
pub(super) struct Npm {
    packuments: Prepared<Packument>,
}

impl Gateway {
    /// The npm packument of `name`, as the registry gave it; at most 60 s old.
    ///
    /// # Errors
    /// [`GatewayError::NotFound`] when the registry has no such package; others when it cannot be asked or
    /// answers nonsense.
    pub async fn npm_packument(&self, name: &str) -> Result<Bytes, GatewayError> {
        self.document(&document(name, Form::Full)?, FRESH).await
    }
}

/// The form that can be had: times are only in the full one.
fn form(gateway: &Gateway, wanted: Form) -> Form {
    match gateway.as_of() {
        Some(_) => Form::Full,
        None => wanted,
    }
}

fn document(name: &str, form: Form) -> Result<Document, GatewayError> {
    let package = PackageRef::new(Ecosystem::Npm, name, None)?;
    let path = encoded(&package.name);
    let accept = match form {
        Form::Full => ACCEPT_FULL,
        Form::Abbreviated => ACCEPT_ABBREVIATED,
    };
    Ok(Document {
        until: Some(packument::until),
        ..Document::json(&package, path, accept)
    })
}

impl Protocol for Npm {
    fn answer<'a>(&'a self, desk: &'a Desk, asked: &'a Asked<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match Route::of(asked.path) {
                Route::Packument { name } => self.packument(desk, &name, asked).await,
                Route::Tarball { name, file } => self.tarball(desk, &name, &file).await,
                Route::Ping | Route::Audit { quick: false } => json(b"{}"),
                Route::Audit { quick: true } => {
                    json(b"{\"actions\":[],\"advisories\":{},\"muted\":[],\"metadata\":{}}")
                }
                Route::WhoAmI => Answer::unauthorised("asks who is logged in"),
                Route::Unknown { why } => Answer::refused(why),
            }
        })
    }

    fn is_question(&self, method: &Method, path: &str) -> bool {
        method == Method::POST && matches!(Route::of(path), Route::Audit { .. })
    }

    fn is_about_account(&self, path: &str) -> bool {
        Route::of(path) == Route::WhoAmI
    }

    fn seed<'a>(&'a self, desk: &'a Desk) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for root in desk.roots() {
                if let Some(packument) = recorded(desk.gateway(), root).await {
                    desk.grow(&packument.dependencies);
                }
            }
        })
    }
}

fn json(body: &'static [u8]) -> Answer {
    Answer::of(StatusCode::OK, JSON, Bytes::from_static(body))
}

impl Npm {
    async fn packument(&self, desk: &Desk, name: &str, asked: &Asked<'_>) -> Answer {
        let allowed = desk.allows(name).await;
        if allowed == Allowed::No {
            return Answer::outside();
        }
        let wanted = if asked.accepts(ABBREVIATED) {
            Form::Abbreviated
        } else {
            Form::Full
        };
        let (form, kind) = match form(desk.gateway(), wanted) {
            Form::Abbreviated => (Form::Abbreviated, ABBREVIATED),
            Form::Full => (Form::Full, JSON),
        };
        let answer = match self.fetch(desk.gateway(), name, form, desk.age(name)).await {
            Ok(packument) => {
                desk.grow(&packument.dependencies);
                Answer::document(kind, packument.document.render(desk.base()), asked.headers)
            }
            Err(error) => Answer::failed(&error),
        };
        answer.marked(allowed)
    }

    async fn tarball(&self, desk: &Desk, name: &str, file: &str) -> Answer {
        let allowed = desk.allows(name).await;
        let (Some(version), true) = (tarball_version(name, file), allowed != Allowed::No) else {
            return Answer::refused("no file of a package that was offered");
        };
        // Its metadata was served a moment ago, in one of the two forms; another age would ask again.
        let form = form(desk.gateway(), Form::Abbreviated);
        let packument = self
            .fetch(desk.gateway(), name, form, FRESH_DEPENDENCY)
            .await;
        let packument = match packument {
            Ok(packument) => packument,
            Err(error) => return Answer::failed(&error).marked(allowed),
        };
        match packument.tarballs.get(version) {
            Some(tarball) => desk.file(&tarball.url, &tarball.integrity).await,
            None => Answer::refused("no such version"),
        }
        .marked(allowed)
    }

    async fn fetch(
        &self,
        gateway: &Gateway,
        name: &str,
        form: Form,
        age: Duration,
    ) -> Result<Arc<Packument>, GatewayError> {
        let document = document(name, form)?;
        let body = gateway.document(&document, age).await?;
        let key = format!("{form:?} {name}");
        if let Some(ready) = self.packuments.get(&key, &body) {
            return Ok(ready);
        }
        let owned = name.to_owned();
        let parsed = spawn_blocking({
            let body = body.clone();
            move || Packument::parse(&owned, body)
        });
        let packument = Arc::new(gateway.usable(&document, parsed.await)?);
        self.packuments.put(key, body, &packument);
        Ok(packument)
    }
}

/// The recorded packument of `name`, however old; asks no registry.
async fn recorded(gateway: &Gateway, name: &str) -> Option<Packument> {
    for form in [Form::Full, Form::Abbreviated] {
        if let Some(body) = gateway.recorded_document(&document(name, form).ok()?).await {
            let owned = name.to_owned();
            let parsed = spawn_blocking(move || Packument::parse(&owned, body));
            return parsed.await.ok()?.ok();
        }
    }
    None
}

/// What a path below `/npm/` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Packument {
        name: String,
    },
    Tarball {
        name: String,
        file: String,
    },
    Ping,
    WhoAmI,
    /// A question for known vulnerabilities.
    Audit {
        quick: bool,
    },
    Unknown {
        why: &'static str,
    },
}

impl Route {
    fn of(path: &str) -> Self {
        match path {
            "-/npm/v1/security/advisories/bulk" => return Self::Audit { quick: false },
            "-/npm/v1/security/audits/quick" => return Self::Audit { quick: true },
            "-/ping" => return Self::Ping,
            "-/whoami" => return Self::WhoAmI,
            _ => {}
        }
        let (name, file) = match path.split_once("/-/") {
            Some((name, file)) => (name, Some(file)),
            None => (path, None),
        };
        let Ok(package) = PackageRef::new(Ecosystem::Npm, name, None) else {
            return Self::Unknown {
                why: "no package name",
            };
        };
        match file {
            None => Self::Packument { name: package.name },
            Some(file) if is_file_name(file) => Self::Tarball {
                name: package.name,
                file: file.to_owned(),
            },
            Some(_) => Self::Unknown {
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
    fn packuments_and_tarballs_are_understood() {
        let scoped = Route::Packument {
            name: "@s/a".into(),
        };
        assert_eq!(Route::of("@s/a"), scoped);
        assert_eq!(
            Route::of("@s/a/-/a-1.0.0.tgz"),
            Route::Tarball {
                name: "@s/a".into(),
                file: "a-1.0.0.tgz".into()
            }
        );
    }

    #[test]
    fn odd_paths_are_not_understood() {
        for path in [
            "",
            "..",
            "../../etc/passwd",
            "a%2fb",
            "a/b",
            "a/1.0.0",
            "a/-/../b",
            "a/-/",
            "a/-/.x",
            "a\0",
            "a\r\nb",
            "@a",
            "-/v1/search",
            "-/all",
        ] {
            let route = Route::of(path);
            assert!(matches!(route, Route::Unknown { .. }), "{path}: {route:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_that_is_understood_is_a_name(path in "(@|/|\\.|-|[a-z?%]){0,12}") {
            if let Route::Packument { name } | Route::Tarball { name, .. } = Route::of(&path) {
                prop_assert!(PackageRef::new(Ecosystem::Npm, &name, None).is_ok());
            }
        }
    }
}
