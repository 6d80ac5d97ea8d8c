//! Which protocol a request is for, and whether it reads. Paths are taken apart by grammar; nothing else of a
//! request is looked at.

use apa_model::Ecosystem;
use axum::http::Method;
use percent_encoding::percent_decode_str;

/// A request, understood as far as all protocols agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Whose registry is asked.
    pub(super) ecosystem: Ecosystem,
    /// Decoded path below the registry's root; no query.
    pub(super) path: String,
    /// `GET` or `HEAD`.
    pub(super) reads: bool,
}

impl Route {
    /// # Errors
    /// Why the request goes nowhere.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, &'static str> {
        let reads = method == Method::GET || method == Method::HEAD;
        if path.contains('?') && reads {
            return Err("a query is not passed on");
        }
        let path = path.split('?').next().unwrap_or_default();
        let decoded = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| "the path is not UTF-8")?;
        let (first, rest) = decoded
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
            .ok_or("no registry is there")?;
        let ecosystem = Ecosystem::ALL
            .into_iter()
            .find(|ecosystem| ecosystem.as_str() == first)
            .ok_or("no registry is there")?;
        Ok(Self {
            ecosystem,
            path: rest.to_owned(),
            reads,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Route, &'static str> {
        Route::of(&Method::GET, path)
    }

    #[test]
    fn paths_are_decoded_once() {
        for path in ["/npm/@s%2Fa", "/npm/@s%2fa", "/npm/%40s/a", "/npm/@s/a"] {
            let route = get(path).unwrap();
            assert_eq!((route.path.as_str(), route.reads), ("@s/a", true));
            assert_eq!(route.ecosystem, Ecosystem::Npm);
        }
        assert_eq!(get("/npm/a%252fb").unwrap().path, "a%2fb");
    }

    #[test]
    fn what_is_below_no_registry_goes_nowhere() {
        for path in [
            "",
            "/",
            "/npm",
            "//npm/a",
            "/other/a",
            "/npm/%ff",
            "/npm/a?x=secret",
        ] {
            assert!(get(path).is_err(), "{path}");
        }
    }

    #[test]
    fn whatever_does_not_read_may_have_a_query() {
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
            let route = Route::of(&method, "/pypi/a?write=true").unwrap();
            assert_eq!((route.path.as_str(), route.reads), ("a", false));
        }
    }
}
