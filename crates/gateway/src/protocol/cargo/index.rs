//! Lines of the sparse index: a JSON object for each version of a crate.

use std::collections::{BTreeSet, HashMap};

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use crate::integrity::Integrity;

/// What is needed of a crate's lines.
#[derive(Debug)]
pub(super) struct Index {
    /// By version, as it is written.
    pub(super) versions: HashMap<String, Version>,
    /// Crates of this registry that some version depends on, in small letters, as the index names them.
    pub(super) dependencies: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Version {
    /// With its capitals.
    pub(super) name: String,
    pub(super) cksum: String,
    pub(super) integrity: Integrity,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    vers: String,
    cksum: String,
    #[serde(default)]
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// The crate's own name where the manifest gives it another.
    #[serde(default)]
    package: Option<String>,
    /// Index of another registry.
    #[serde(default)]
    registry: Option<String>,
}

impl Index {
    /// As cargo does, lines that cannot be understood are passed over.
    ///
    /// # Errors
    /// When there is not one that can.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut versions = HashMap::new();
        let mut dependencies = BTreeSet::new();
        let mut odd = None;
        for line in body.split(|byte| *byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line = match serde_json::from_slice(line) {
                Ok(line) => line,
                Err(error) => {
                    odd.get_or_insert(error.to_string());
                    continue;
                }
            };
            let known = line.deps.iter().filter_map(Dependency::known);
            dependencies.extend(known);
            let Some(integrity) = Integrity::from_hex("sha256", &line.cksum) else {
                odd.get_or_insert("a cksum is no SHA-256".to_owned());
                continue;
            };
            let version = Version {
                name: line.name,
                cksum: line.cksum,
                integrity,
            };
            versions.insert(line.vers, version);
        }
        if versions.is_empty() {
            return Err(odd.unwrap_or_else(|| "it lists no version".to_owned()));
        }
        Ok(Self {
            versions,
            dependencies: dependencies.into_iter().collect(),
        })
    }
}

impl Dependency {
    /// Its name in this registry.
    fn known(&self) -> Option<String> {
        let name = self.package.as_deref().unwrap_or(&self.name);
        let here = self.registry.is_none() && PackageRef::new(Ecosystem::Cargo, name, None).is_ok();
        here.then(|| name.to_ascii_lowercase())
    }
}

#[derive(Deserialize)]
struct Published {
    #[serde(default)]
    pubtime: Option<String>,
}

/// The lines as they were at `time`: versions published later, or nobody knows when, are gone.
pub(super) fn until(body: &[u8], time: Timestamp) -> Result<Bytes, String> {
    let mut kept = Vec::new();
    let mut told = false;
    for line in body.split(|byte| *byte == b'\n') {
        let published = serde_json::from_slice::<Published>(line).ok();
        let published: Option<Timestamp> = published.and_then(|line| line.pubtime?.parse().ok());
        told |= published.is_some();
        if published.is_some_and(|published| published <= time) {
            kept.extend_from_slice(line);
            kept.push(b'\n');
        }
    }
    if told {
        Ok(kept.into())
    } else {
        Err("it does not tell when versions were published".to_owned())
    }
}

/// Folders of the index that a crate's lines are in. Names are ASCII.
pub(super) fn prefix(name: &str) -> String {
    match name.len() {
        0..=2 => name.len().to_string(),
        3 => format!("3/{}", &name[..1]),
        _ => format!("{}/{}", &name[..2], &name[2..4]),
    }
}

/// Where a crate's lines are below the index' root.
pub(super) fn path(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    format!("{}/{name}", prefix(&name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CKSUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn dependencies_have_their_own_names_and_other_registries_are_left_out() {
        let line = format!(
            r#"{{"name":"A","vers":"1.0.0","cksum":"{CKSUM}","deps":[
                {{"name":"renamed","package":"Real_Name"}},{{"name":"b","kind":"dev"}},
                {{"name":"c","registry":"http://other.test/"}},{{"name":"../x"}}]}}"#
        );
        let lines = format!("not json\n\n{}\n", line.replace('\n', ""));
        let index = Index::parse(lines.as_bytes()).unwrap();
        assert_eq!(index.dependencies, ["b", "real_name"]);
        assert_eq!(index.versions["1.0.0"].name, "A");
    }

    #[test]
    fn lines_without_a_usable_version_are_nonsense() {
        let odd = r#"{"name":"a","vers":"1.0.0","cksum":"zz"}"#;
        for body in ["", "\n", "<html>", "{}", odd] {
            assert!(Index::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn lines_of_an_earlier_time_hold_nothing_later() {
        let line = |version: &str, more: &str| format!("{{\"vers\":\"{version}\"{more}}}\n");
        let old = line("1", ",\"pubtime\":\"2020-01-01T00:00:00Z\"");
        let late = line("2", ",\"pubtime\":\"2022-01-01T00:00:00Z\"");
        let time = "2021-01-01T00:00:00Z".parse().unwrap();
        let all = format!("{old}{late}{}", line("3", ""));
        assert_eq!(until(all.as_bytes(), time).unwrap(), old.as_bytes());
        assert!(until(line("3", "").as_bytes(), time).is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(body in "(\\{|\\}|\"name\"|\"vers\"|:|,|\"a\"|\n|\\[|é){0,40}") {
            let _ = Index::parse(body.as_bytes());
        }
    }
}
