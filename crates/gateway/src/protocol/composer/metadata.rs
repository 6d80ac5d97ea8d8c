//! Composer's metadata: what a repository offers, and the versions of a package.

use std::collections::BTreeSet;

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::integrity::{Integrity, sha256};

/// Most versions of one package that are looked at.
const MOST_VERSIONS: usize = 20_000;

/// A version of a package with every field that its `composer.json` and the repository give it.
pub type ComposerVersion = Map<String, Value>;

/// Where a repository has the metadata of a package: `/p2/%package%.json`.
///
/// # Errors
/// When it is no repository of version 2 of the protocol, in words.
pub(super) fn metadata_url(packages_json: &[u8]) -> Result<String, String> {
    let root: Value = serde_json::from_slice(packages_json).map_err(|error| error.to_string())?;
    let url = root["metadata-url"].as_str();
    let url =
        url.ok_or("it names no metadata-url: only version 2 of the protocol is understood")?;
    if url.contains("%package%") {
        Ok(url.to_owned())
    } else {
        Err("its metadata-url has no place for a package's name".to_owned())
    }
}

/// The versions of `name`, each with all its fields: in the minified form a version has only what differs from the
/// one before it.
///
/// # Errors
/// When it is no such document, in words.
pub(super) fn versions(name: &str, body: &[u8]) -> Result<Vec<ComposerVersion>, String> {
    let mut document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let minified = document["minified"].as_str() == Some("composer/2.0");
    if !minified && !document["minified"].is_null() {
        return Err("it is minified in an unknown way".to_owned());
    }
    let list = document.get_mut("packages").and_then(|it| it.get_mut(name));
    let list = match list.map(Value::take) {
        Some(Value::Array(list)) => list,
        _ => return Err(format!("it lists no versions of {name}")),
    };
    let mut versions: Vec<ComposerVersion> = Vec::new();
    for entry in list.into_iter().take(MOST_VERSIONS) {
        let Value::Object(entry) = entry else {
            return Err("a version is no object".to_owned());
        };
        let mut version = match versions.last() {
            Some(before) if minified => before.clone(),
            _ => Map::new(),
        };
        for (field, value) in entry {
            if value.as_str() == Some("__unset") {
                version.shift_remove(&field);
            } else {
                version.insert(field, value);
            }
        }
        versions.push(version);
    }
    Ok(versions)
}

/// The document as it was at `time`: versions published later, or nobody knows when, are gone.
///
/// # Errors
/// When it is no such document, in words.
pub(super) fn until(body: &[u8], time: Timestamp) -> Result<Bytes, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let names = document["packages"].as_object();
    let mut packages = Map::new();
    for name in names.into_iter().flat_map(Map::keys) {
        let mut list = versions(name, body)?;
        list.retain(|version| {
            let published = version.get("time").and_then(Value::as_str);
            let published = published.and_then(|text| text.parse::<Timestamp>().ok());
            published.is_some_and(|published| published <= time)
        });
        packages.insert(name.clone(), list.into_iter().map(Value::Object).collect());
    }
    Ok(json!({ "packages": packages }).to_string().into())
}

/// Names of packages that a version requires; `php`, `ext-zip` and the like are none.
pub(super) fn requires(version: &ComposerVersion) -> BTreeSet<String> {
    let required = version.get("require").and_then(Value::as_object);
    let names = required.into_iter().flat_map(Map::keys);
    names
        .filter_map(|name| PackageRef::new(Ecosystem::Composer, name, None).ok())
        .map(|package| package.name)
        .collect()
}

/// The archive of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dist {
    pub(super) url: String,
    pub(super) integrity: Integrity,
    /// Its name below the gateway: the same address gives the same name.
    pub(super) file: String,
}

impl Dist {
    pub(super) fn of(version: &ComposerVersion) -> Option<Self> {
        let dist = version.get("dist")?;
        let url = dist["url"].as_str()?.to_owned();
        let kind = dist["type"]
            .as_str()
            .filter(|kind| matches!(*kind, "zip" | "tar"))?;
        // Code hosts pack archives when they are asked for, so there is mostly none.
        let integrity = dist["shasum"]
            .as_str()
            .and_then(|sum| Integrity::from_hex("sha1", sum))
            .unwrap_or(Integrity::Unstated);
        Some(Self {
            file: format!("{}.{kind}", &sha256(url.as_bytes())[..16]),
            url,
            integrity,
        })
    }
}

/// The document that a client is given: archives come from below the gateway, and sources, which are repositories of
/// code hosts, from nowhere.
pub(super) fn served(name: &str, versions: &[ComposerVersion], base: &str) -> Vec<u8> {
    let versions = versions.iter().map(|version| {
        let mut version = version.clone();
        version.shift_remove("source");
        match Dist::of(&version) {
            Some(dist) => {
                version["dist"]["url"] =
                    format!("{base}/composer/dist/{name}/{}", dist.file).into();
            }
            None => {
                version.shift_remove("dist");
            }
        }
        Value::Object(version)
    });
    let mut packages = Map::new();
    packages.insert(name.to_owned(), versions.collect());
    let mut document = Map::new();
    document.insert("packages".to_owned(), packages.into());
    Value::Object(document).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = r#"{"minified":"composer/2.0","packages":{"a/b":[
        {"name":"a/b","version":"2.0.0","require":{"php":">=8","c/d":"^1","ext-zip":"*"},"bin":["x"],
         "source":{"type":"git","url":"https://code.example/a/b.git"},
         "dist":{"type":"zip","url":"https://code.example/zip/2","shasum":"","reference":"abc"}},
        {"version":"1.0.0","require":"__unset","dist":{"type":"zip","url":"https://code.example/zip/1","shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}},
        {"version":"0.9.0","bin":"__unset","dist":{"type":"rar","url":"x"}}]}}"#;

    #[test]
    fn a_version_inherits_from_the_one_before_it() {
        let versions = versions("a/b", BODY.as_bytes()).unwrap();
        assert_eq!(versions.len(), 3);
        assert_eq!(requires(&versions[0]), BTreeSet::from(["c/d".to_owned()]));
        assert!(versions[1].get("require").is_none());
        assert_eq!(versions[1]["bin"][0], "x");
        assert!(versions[2].get("bin").is_none() && versions[2]["name"] == "a/b");
    }

    #[test]
    fn archives_come_from_the_gateway_and_sources_from_nowhere() {
        let list = versions("a/b", BODY.as_bytes()).unwrap();
        let first = Dist::of(&list[0]).unwrap();
        assert_eq!(first.integrity, Integrity::Unstated);
        assert!(matches!(
            Dist::of(&list[1]).unwrap().integrity,
            Integrity::Sha1(_)
        ));
        assert_eq!(Dist::of(&list[2]), None);
        let served: Value = serde_json::from_slice(&served("a/b", &list, "http://gate")).unwrap();
        let served = &served["packages"]["a/b"];
        assert_eq!(
            served[0]["dist"]["url"],
            format!("http://gate/composer/dist/a/b/{}", first.file)
        );
        assert_eq!(served[0]["dist"]["reference"], "abc");
        assert!(served[0]["source"].is_null() && served[2]["dist"].is_null());
    }

    #[test]
    fn a_document_of_an_earlier_time_has_nothing_later() {
        let body = r#"{"minified":"composer/2.0","packages":{"a/b":[
            {"version":"3","time":"2024-03-01T00:00:00+00:00","type":"library"},
            {"version":"2","time":"__unset"},{"version":"1","time":"2023-01-01T00:00:00+00:00"}]}}"#;
        let cut = until(body.as_bytes(), "2023-06-01T00:00:00Z".parse().unwrap()).unwrap();
        let left = versions("a/b", &cut).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(
            (&left[0]["version"], &left[0]["type"]),
            (&json!("1"), &json!("library"))
        );
    }

    #[test]
    fn a_repository_says_where_its_metadata_is() {
        let url = metadata_url(br#"{"packages":[],"metadata-url":"/p2/%package%.json"}"#);
        assert_eq!(url.as_deref(), Ok("/p2/%package%.json"));
        for bad in ["", "[]", r#"{"packages":{}}"#, r#"{"metadata-url":"/p2"}"#] {
            assert!(metadata_url(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in [
            "[]",
            r#"{"packages":{}}"#,
            r#"{"minified":"x","packages":{"a/b":[]}}"#,
            r#"{"packages":{"a/b":[1]}}"#,
        ] {
            assert!(versions("a/b", bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn damaged_metadata_never_panics(at in any::<prop::sample::Index>(), with in any::<[u8; 2]>()) {
            let mut body = BODY.as_bytes().to_vec();
            let at = at.index(body.len() - 2);
            body[at..at + 2].copy_from_slice(&with);
            if let Ok(list) = versions("a/b", &body) {
                served("a/b", &list, "http://gate");
            }
        }
    }
}
