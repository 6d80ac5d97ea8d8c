//! npm's registry protocol: packuments.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::integrity::Integrity;
use crate::rewrite::Rewritten;

/// What may stand in a path segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+');

/// A packument, ready to be served.
#[derive(Debug)]
pub(crate) struct Packument {
    pub(crate) document: Rewritten,
    /// By version.
    pub(crate) tarballs: HashMap<String, Tarball>,
    /// Names that some version depends on.
    pub(crate) dependencies: BTreeSet<String>,
}

/// Where the file of a version is.
#[derive(Debug, Clone)]
pub(crate) struct Tarball {
    pub(crate) url: String,
    pub(crate) integrity: Integrity,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    versions: HashMap<Cow<'a, str>, &'a RawValue>,
}

#[derive(Deserialize)]
struct Version<'a> {
    #[serde(borrow)]
    dist: Dist<'a>,
    #[serde(default)]
    dependencies: Names,
    #[serde(default, rename = "optionalDependencies")]
    optional: Names,
    #[serde(default, rename = "peerDependencies")]
    peer: Names,
}

#[derive(Deserialize)]
struct Dist<'a> {
    #[serde(borrow)]
    tarball: &'a RawValue,
    integrity: Option<String>,
    shasum: Option<String>,
}

/// Names of a dependency map, aliases resolved. Old packages have lists and texts here; those name nothing.
#[derive(Default)]
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dependencies")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let range: serde_json::Value = map.next_value()?;
            let alias = range.as_str().and_then(|range| range.strip_prefix("npm:"));
            names.push(match alias {
                Some(alias) => unversioned(alias).to_owned(),
                None => name,
            });
        }
        Ok(Names(names))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Names::default())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Names, E> {
        Ok(Names::default())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Names, E> {
        Ok(Names::default())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Names, E> {
        Ok(Names::default())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Names, E> {
        Ok(Names::default())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Names, E> {
        Ok(Names::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Names, E> {
        Ok(Names::default())
    }
}

/// `name@range` without its range.
fn unversioned(text: &str) -> &str {
    let end = text.char_indices().skip(1).find(|(_, c)| *c == '@');
    end.map_or(text, |(at, _)| &text[..at])
}

impl Packument {
    /// Reads what the registry gave for `name`. A version that makes no sense is served as it is and cannot be
    /// fetched.
    ///
    /// # Errors
    /// When it is no packument at all, in words.
    pub(crate) fn parse(name: &str, body: Bytes) -> Result<Self, String> {
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err("it is no JSON object".to_owned());
        }
        let document: Document<'_> =
            serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let mut cuts = Vec::new();
        let mut tarballs = HashMap::new();
        let mut dependencies = BTreeSet::new();
        for (version, raw) in &document.versions {
            let Ok(found) = serde_json::from_str::<Version<'_>>(raw.get()) else {
                continue;
            };
            let Ok(url) = serde_json::from_str::<String>(found.dist.tarball.get()) else {
                continue;
            };
            let Some(place) = Rewritten::place(&body, found.dist.tarball) else {
                continue;
            };
            cuts.push((place, tarball_path(name, version)));
            tarballs.insert(
                version.to_string(),
                Tarball {
                    url,
                    integrity: found.dist.integrity(),
                },
            );
            let names = [found.dependencies, found.optional, found.peer];
            dependencies.extend(
                names
                    .into_iter()
                    .flat_map(|names| names.0)
                    .filter(|name| PackageRef::new(Ecosystem::Npm, name, None).is_ok()),
            );
        }
        drop(document);
        Ok(Self {
            document: Rewritten::new(body, cuts),
            tarballs,
            dependencies,
        })
    }
}

impl Dist<'_> {
    fn integrity(&self) -> Integrity {
        let sri = self.integrity.as_deref().and_then(Integrity::from_sri);
        let sha1 = || Integrity::from_hex("sha1", self.shasum.as_deref()?);
        sri.or_else(sha1).unwrap_or(Integrity::Unstated)
    }
}

/// The path of a version's tarball below the gateway, as the genuine registry names it.
fn tarball_path(name: &str, version: &str) -> String {
    format!(
        "/npm/{name}/-/{}-{}.tgz",
        unscoped(name),
        utf8_percent_encode(version, SEGMENT)
    )
}

/// The version in the (decoded) name of a tarball of `name`.
pub(crate) fn tarball_version<'a>(name: &str, file: &'a str) -> Option<&'a str> {
    file.strip_prefix(unscoped(name))?
        .strip_prefix('-')?
        .strip_suffix(".tgz")
}

fn unscoped(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// `name` as one path segment of a registry.
pub(crate) fn encoded(name: &str) -> String {
    name.replace('/', "%2F")
}

/// The packument as it was at `time`: versions published later, or nobody knows when, are gone, and tags that
/// named one of them with it; `latest` names the highest that is left.
pub(super) fn until(body: &[u8], time: Timestamp) -> Result<Bytes, String> {
    let mut document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let times = document["time"].take();
    let then = |version: &str| {
        let published: Option<Timestamp> = times[version].as_str().and_then(|at| at.parse().ok());
        published.is_some_and(|published| published <= time)
    };
    let mut highest = None;
    if let Some(versions) = document["versions"].as_object_mut() {
        versions.retain(|version, _| then(version));
        let parsed = versions.keys().filter_map(|text| {
            let version: semver::Version = text.parse().ok()?;
            Some((version.pre.is_empty(), version, text))
        });
        highest = parsed.max().map(|(_, _, text)| text.clone());
    }
    if let Some(tags) = document["dist-tags"].as_object_mut() {
        tags.retain(|_, version| version.as_str().is_some_and(then));
        if let (None, Some(highest)) = (tags.get("latest"), highest) {
            tags.insert("latest".to_owned(), highest.into());
        }
    }
    let kept = times.as_object().into_iter().flatten();
    let kept = kept.filter(|(version, _)| *version == "created" || then(version));
    document["time"] = kept
        .map(|(version, at)| (version.clone(), at.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    Ok(document.to_string().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &str = r#"{"name":"@s/a","versions":{
        "1.0.0":{"dist":{"tarball":"https:\/\/registry.example\/a.tgz","shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709"},
                 "dependencies":{"b":"^1","c":"npm:@x/real@2","../evil":"1"},"peerDependencies":["odd"]},
        "2.0.0-\"x":{"dist":{"tarball":"https://registry.example/b.tgz"},"optionalDependencies":{"d":"1"}},
        "3.0.0":{"dist":7}, "4.0.0":null}, "time":{"1.0.0":"x"}}"#;

    #[test]
    fn tarballs_point_to_the_gateway_and_nothing_else_changes() {
        let packument = Packument::parse("@s/a", BODY.into()).unwrap();
        let out = packument.document.render("http://127.0.0.1:1");
        let expected = BODY
            .replace(
                r"https:\/\/registry.example\/a.tgz",
                "http://127.0.0.1:1/npm/@s/a/-/a-1.0.0.tgz",
            )
            .replace(
                "https://registry.example/b.tgz",
                "http://127.0.0.1:1/npm/@s/a/-/a-2.0.0-%22x.tgz",
            );
        assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
        assert_eq!(
            packument.tarballs["1.0.0"].url,
            "https://registry.example/a.tgz"
        );
        assert!(matches!(
            packument.tarballs["1.0.0"].integrity,
            Integrity::Sha1(_)
        ));
        assert_eq!(packument.tarballs.len(), 2);
    }

    #[test]
    fn names_of_all_kinds_of_dependency_are_collected() {
        let packument = Packument::parse("@s/a", BODY.into()).unwrap();
        let names: Vec<_> = packument.dependencies.iter().map(String::as_str).collect();
        assert_eq!(names, ["@x/real", "b", "d"]);
    }

    #[test]
    fn a_tarball_name_gives_its_version() {
        assert_eq!(
            tarball_version("@s/a", "a-1.0.0-b.1.tgz"),
            Some("1.0.0-b.1")
        );
        for file in ["a-1.0.0", "b-1.0.0.tgz", "a1.0.0.tgz", ""] {
            assert_eq!(tarball_version("@s/a", file), None, "{file}");
        }
    }

    #[test]
    fn a_packument_of_an_earlier_time_names_nothing_later() {
        let body = r#"{"dist-tags":{"latest":"2.0.0","old":"1.0.0","next":"3.0.0-rc.1"},
            "versions":{"1.0.0":{},"1.9.0":{},"2.0.0":{},"3.0.0-rc.1":{},"9.9.9":{}},
            "time":{"created":"2020-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","1.0.0":"2020-01-01T00:00:00Z",
                    "1.9.0":"2021-01-01T00:00:00Z","2.0.0":"2022-01-01T00:00:00Z","3.0.0-rc.1":"2023-01-01T00:00:00Z"}}"#;
        let cut = until(body.as_bytes(), "2021-06-01T00:00:00Z".parse().unwrap()).unwrap();
        let cut: Value = serde_json::from_slice(&cut).unwrap();
        let versions: Vec<_> = cut["versions"].as_object().unwrap().keys().collect();
        assert_eq!(versions, ["1.0.0", "1.9.0"]);
        assert_eq!(
            cut["dist-tags"],
            serde_json::json!({"old": "1.0.0", "latest": "1.9.0"})
        );
        let times: Vec<_> = cut["time"].as_object().unwrap().keys().collect();
        assert_eq!(times, ["created", "1.0.0", "1.9.0"]);
    }

    #[test]
    fn what_is_no_packument_is_an_error() {
        for body in ["", "[]", "<html>", "{\"versions\":[]}"] {
            assert!(Packument::parse("a", body.into()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn damaged_packuments_never_panic(at in any::<prop::sample::Index>(), with in any::<[u8; 3]>()) {
            let mut body = BODY.as_bytes().to_vec();
            let at = at.index(body.len() - 3);
            body[at..at + 3].copy_from_slice(&with);
            if let Ok(packument) = Packument::parse("@s/a", body.into()) {
                packument.document.render("http://127.0.0.1:1");
            }
        }
    }
}
