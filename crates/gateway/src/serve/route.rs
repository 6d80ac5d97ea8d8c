//! What a request asks for. Paths are taken apart by grammar; nothing else of a request is looked at.

use apa_model::{Ecosystem, PackageRef};
use axum::http::Method;
use percent_encoding::percent_decode_str;

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Packument {
        name: String,
    },
    Tarball {
        name: String,
        file: String,
    },
    Project {
        name: String,
    },
    /// A file of a project; `metadata`: the metadata file beside it.
    File {
        id: String,
        filename: String,
        metadata: bool,
    },
    Ping,
    WhoAmI,
    /// A question for known vulnerabilities, which clients send by POST.
    Audit {
        quick: bool,
    },
    /// Anything that would change a registry.
    Write {
        ecosystem: Option<Ecosystem>,
    },
    Unknown {
        why: &'static str,
    },
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let reads = method == Method::GET || method == Method::HEAD;
        let unknown = |why| Self::Unknown { why };
        if path.contains('?') && reads {
            return unknown("a query is not passed on");
        }
        let path = path.split('?').next().unwrap_or_default();
        let decoded = percent_decode_str(path).decode_utf8();
        let Ok(decoded) = decoded else {
            return unknown("the path is not UTF-8");
        };
        if let Some(rest) = decoded.strip_prefix("/npm/") {
            match rest {
                "-/npm/v1/security/advisories/bulk" => return Self::Audit { quick: false },
                "-/npm/v1/security/audits/quick" => return Self::Audit { quick: true },
                _ if reads => return npm(rest),
                _ => {}
            }
        } else if let Some(rest) = decoded.strip_prefix("/pypi/")
            && reads
        {
            return pypi(rest);
        }
        if reads {
            return unknown("no registry is there");
        }
        Self::Write {
            ecosystem: match decoded.get(..5) {
                Some("/npm/") => Some(Ecosystem::Npm),
                Some("/pypi") => Some(Ecosystem::Pypi),
                _ => None,
            },
        }
    }

    pub(super) fn is_write(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Audit { .. })
    }

    /// Whose protocol it belongs to.
    pub(super) fn ecosystem(&self) -> Option<Ecosystem> {
        match self {
            Self::Packument { .. }
            | Self::Tarball { .. }
            | Self::Ping
            | Self::WhoAmI
            | Self::Audit { .. } => Some(Ecosystem::Npm),
            Self::Project { .. } | Self::File { .. } => Some(Ecosystem::Pypi),
            Self::Write { ecosystem } => *ecosystem,
            Self::Unknown { .. } => None,
        }
    }
}

fn npm(rest: &str) -> Route {
    match rest {
        "-/ping" => return Route::Ping,
        "-/whoami" => return Route::WhoAmI,
        _ => {}
    }
    let (name, file) = match rest.split_once("/-/") {
        Some((name, file)) => (name, Some(file)),
        None => (rest, None),
    };
    let Ok(package) = PackageRef::new(Ecosystem::Npm, name, None) else {
        return Route::Unknown {
            why: "no package name",
        };
    };
    match file {
        None => Route::Packument { name: package.name },
        Some(file) if is_file_name(file) => Route::Tarball {
            name: package.name,
            file: file.to_owned(),
        },
        Some(_) => Route::Unknown {
            why: "no file name",
        },
    }
}

fn pypi(rest: &str) -> Route {
    if let Some(name) = rest.strip_prefix("simple/") {
        let name = name.strip_suffix('/').unwrap_or(name);
        return match PackageRef::new(Ecosystem::Pypi, name, None) {
            Ok(package) => Route::Project { name: package.name },
            Err(_) => Route::Unknown {
                why: "no project name",
            },
        };
    }
    let file = rest
        .strip_prefix("files/")
        .and_then(|file| file.split_once('/'));
    match file {
        Some((id, filename)) if is_file_name(id) && is_file_name(filename) => {
            let bare = filename.strip_suffix(".metadata");
            Route::File {
                id: id.to_owned(),
                filename: bare.unwrap_or(filename).to_owned(),
                metadata: bare.is_some(),
            }
        }
        _ => Route::Unknown {
            why: "no file name",
        },
    }
}

fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+!".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(path: &str) -> Route {
        Route::of(&Method::GET, path)
    }

    #[test]
    fn both_ways_to_write_a_scoped_name_are_understood() {
        let scoped = Route::Packument {
            name: "@s/a".into(),
        };
        assert_eq!(get("/npm/@s%2Fa"), scoped);
        assert_eq!(get("/npm/@s%2fa"), scoped);
        assert_eq!(get("/npm/%40s/a"), scoped);
        assert_eq!(get("/npm/@s/a"), scoped);
        assert_eq!(
            get("/npm/@s/a/-/a-1.0.0.tgz"),
            Route::Tarball {
                name: "@s/a".into(),
                file: "a-1.0.0.tgz".into()
            }
        );
    }

    #[test]
    fn project_pages_and_files_are_understood() {
        let project = Route::Project {
            name: "foo-bar".into(),
        };
        assert_eq!(get("/pypi/simple/Foo_Bar/"), project);
        assert_eq!(get("/pypi/simple/foo-bar"), project);
        assert_eq!(
            get("/pypi/files/abcd/a-1%2Blocal-py3-none-any.whl.metadata"),
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
            "/",
            "/npm",
            "/npm/",
            "/npm/..",
            "/npm/../../etc/passwd",
            "/npm/%2e%2e%2fx",
            "/npm/a%252fb",
            "/npm/a/b",
            "/npm/a/1.0.0",
            "/npm/a/-/../b",
            "/npm/a/-/",
            "/npm/a/-/.x",
            "/npm/a%00",
            "/npm/a%0d%0ab",
            "/npm/a?x=secret",
            "/npm/@a",
            "/npm/%ff",
            "/pypi/simple/",
            "/pypi/simple/../x/",
            "/pypi/simple/a/b/",
            "/pypi/files/x",
            "/pypi/files/../x",
            "/pypi/files/x/..",
            "/pypi/files/x/a%2f..%2fb",
            "//npm/a",
            "/npm/-/v1/search",
            "/npm/-/all",
            "/other/a",
        ] {
            assert!(
                matches!(get(path), Route::Unknown { .. }),
                "{path}: {:?}",
                get(path)
            );
        }
    }

    #[test]
    fn whatever_does_not_read_is_a_write() {
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
            let route = Route::of(&method, "/npm/a?write=true");
            assert_eq!(
                route,
                Route::Write {
                    ecosystem: Some(Ecosystem::Npm)
                }
            );
        }
        let audit = Route::of(&Method::POST, "/npm/-/npm/v1/security/advisories/bulk");
        assert_eq!(audit, Route::Audit { quick: false });
    }

    proptest! {
        #[test]
        fn a_name_that_is_understood_is_a_name(path in "(/npm/|/pypi/simple/|/pypi/files/|@|%2[fFeE]|\\.|-|/|[a-z?%]){0,12}") {
            match get(&path) {
                Route::Packument { name } | Route::Tarball { name, .. } => {
                    prop_assert!(PackageRef::new(Ecosystem::Npm, &name, None).is_ok());
                }
                Route::Project { name } => {
                    prop_assert!(PackageRef::new(Ecosystem::Pypi, &name, None).is_ok());
                }
                Route::File { id, filename, .. } => {
                    prop_assert!(!id.contains('/') && !filename.contains('/') && !filename.starts_with('.'));
                }
                _ => {}
            }
        }
    }
}
