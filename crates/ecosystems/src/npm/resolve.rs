use std::collections::BTreeMap;

use apa_gateway::{Gateway, Integrity};
use apa_model::{Anomaly, ArtifactKind, PackageRef};
use serde::Deserialize;
use serde_json::Value;

use crate::text::{excerpt, other_versions};
use crate::{EcosystemError, Release, ReleaseFile};

/// What the registry says about a package, as far as it is needed.
#[derive(Deserialize)]
struct Packument {
    #[serde(default, rename = "dist-tags")]
    tags: BTreeMap<String, Value>,
    #[serde(default)]
    versions: BTreeMap<String, Version>,
    #[serde(default)]
    time: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    dist: Value,
    #[serde(default)]
    deprecated: Value,
}

/// The version that `package` asks for: exact, a tag, or what `latest` points at.
pub(super) async fn resolve(
    gateway: &Gateway,
    package: &PackageRef,
) -> Result<Release, EcosystemError> {
    let bytes = gateway
        .npm_packument(&package.name)
        .await
        .map_err(|source| EcosystemError::from_gateway(package, source))?;
    release(&bytes, package)
}

fn release(bytes: &[u8], package: &PackageRef) -> Result<Release, EcosystemError> {
    let packument: Packument =
        serde_json::from_slice(bytes).map_err(|error| EcosystemError::Metadata {
            package: package.clone(),
            why: error.to_string().into(),
        })?;
    let wanted = packument.pick(package)?;
    let package = package.at(&wanted);
    let version = &packument.versions[&wanted];
    let mut anomalies = Vec::new();
    let file = version.file(&package, &mut anomalies)?;
    if let Some(reason) = version
        .deprecated
        .as_str()
        .filter(|reason| !reason.is_empty())
    {
        anomalies.push(anomaly("deprecated", reason));
    }
    Ok(Release {
        files: vec![file],
        chosen: 0,
        published_at: packument.time_of(&wanted).map(str::to_owned),
        previous_version: packument.previous(&wanted),
        package,
        anomalies,
    })
}

impl Packument {
    fn pick(&self, package: &PackageRef) -> Result<String, EcosystemError> {
        let wanted = package.version.as_deref().unwrap_or("latest");
        let tagged = self.tags.get(wanted).and_then(Value::as_str);
        let picked = [Some(wanted), tagged]
            .into_iter()
            .flatten()
            .find(|version| self.versions.contains_key(*version))
            .map(str::to_owned);
        let newest = || self.newest().filter(|_| package.version.is_none());
        picked
            .or_else(newest)
            .ok_or_else(|| EcosystemError::UnknownVersion {
                package: package.at(wanted),
                hint: other_versions(wanted, &self.by_time()),
            })
    }

    /// Without a usable `latest` tag: the highest version that is no preview.
    fn newest(&self) -> Option<String> {
        let parsed = self.versions.keys().filter_map(|text| {
            let version: semver::Version = text.parse().ok()?;
            Some((version.pre.is_empty(), version, text))
        });
        parsed.max().map(|(_, _, text)| text.clone())
    }

    fn time_of(&self, version: &str) -> Option<&str> {
        self.time.get(version)?.as_str()
    }

    fn instant(&self, version: &str) -> Option<jiff::Timestamp> {
        self.time_of(version)?.parse().ok()
    }

    /// By time of publication where it is known, else by number.
    fn by_time(&self) -> Vec<String> {
        let mut versions: Vec<_> = self.versions.keys().cloned().collect();
        versions
            .sort_by_cached_key(|text| (self.instant(text), text.parse::<semver::Version>().ok()));
        versions
    }

    /// The version published last before this one, which need not be the next lower number.
    fn previous(&self, version: &str) -> Option<String> {
        let published = self.instant(version)?;
        self.versions
            .keys()
            .filter_map(|other| Some((self.instant(other)?, other)))
            .filter(|(instant, other)| *instant < published && *other != version)
            .max()
            .map(|(_, other)| other.clone())
    }
}

impl Version {
    fn file(
        &self,
        package: &PackageRef,
        anomalies: &mut Vec<Anomaly>,
    ) -> Result<ReleaseFile, EcosystemError> {
        let text = |field: &str| self.dist.get(field).and_then(Value::as_str);
        let url = text("tarball").ok_or_else(|| EcosystemError::NoFiles {
            package: package.clone(),
            why: "the registry names no archive for it".into(),
            next: "try another version or registry",
        })?;
        let sha1 = || Integrity::from_hex("sha1", text("shasum")?);
        let integrity = text("integrity")
            .and_then(Integrity::from_sri)
            .or_else(sha1);
        if integrity.is_none() {
            anomalies.push(anomaly(
                "no-integrity",
                "the registry states no hash of the archive",
            ));
        }
        Ok(ReleaseFile {
            filename: filename(url, package),
            url: url.to_owned(),
            integrity: integrity.unwrap_or(Integrity::Unstated),
            size: self.dist.get("size").and_then(Value::as_u64),
            kind: ArtifactKind::NpmTarball,
            compatible: true,
        })
    }
}

fn filename(url: &str, package: &PackageRef) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let base = path.rsplit('/').next().unwrap_or_default();
    match crate::text::plain_filename(base) {
        Some(base) => base.to_owned(),
        None => {
            let version = package.version.as_deref().unwrap_or_default();
            let name = crate::text::to_plain(&package.name);
            format!("{name}-{}.tgz", crate::text::to_plain(version))
        }
    }
}

fn anomaly(kind: &str, detail: &str) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: "registry metadata".into(),
        detail: excerpt(detail, 300),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKUMENT: &str = r#"{
        "dist-tags": {"latest": "1.1.0", "next": "2.0.0-rc.1", "broken": 7},
        "versions": {
            "1.0.0": {"dist": {"tarball": "http://r.test/a/-/a-1.0.0.tgz", "shasum": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}},
            "1.1.0": {"dist": {"tarball": "http://r.test/a/-/a%20b"}, "deprecated": "no more"},
            "2.0.0-rc.1": {"dist": {"tarball": "http://r.test/a/-/a-2.0.0-rc.1.tgz"}},
            "0.9.9": {"dist": {}}
        },
        "time": {"created": "x", "1.0.0": "2024-01-01T00:00:00.000Z", "2.0.0-rc.1": "2024-02-01T00:00:00.000Z",
                 "1.1.0": "2024-03-01T00:00:00.000Z", "0.9.9": 5}
    }"#;

    fn get(version: Option<&str>) -> Result<Release, EcosystemError> {
        let package = PackageRef::new(apa_model::Ecosystem::Npm, "a", version).unwrap();
        release(PACKUMENT.as_bytes(), &package)
    }

    fn version(wanted: Option<&str>) -> String {
        get(wanted).unwrap().package.version.unwrap()
    }

    #[test]
    fn latest_tags_and_exact_versions_are_found() {
        assert_eq!(version(None), "1.1.0");
        assert_eq!(version(Some("next")), "2.0.0-rc.1");
        assert_eq!(version(Some("1.0.0")), "1.0.0");
    }

    #[test]
    fn the_previous_version_is_the_one_published_before() {
        let release = get(None).unwrap();
        assert_eq!(release.previous_version.as_deref(), Some("2.0.0-rc.1"));
        assert_eq!(
            release.published_at.as_deref(),
            Some("2024-03-01T00:00:00.000Z")
        );
        assert_eq!(get(Some("1.0.0")).unwrap().previous_version, None);
    }

    #[test]
    fn what_is_missing_is_unknown_and_odd_names_are_replaced() {
        let release = get(None).unwrap();
        assert_eq!(release.files[0].filename, "a-1.1.0.tgz");
        assert_eq!(release.files[0].integrity, Integrity::Unstated);
        let kinds: Vec<_> = release
            .anomalies
            .iter()
            .map(|anomaly| anomaly.kind.as_str())
            .collect();
        assert_eq!(kinds, ["no-integrity", "deprecated"]);
        assert!(matches!(
            get(Some("1.0.0")).unwrap().files[0].integrity,
            Integrity::Sha1(_)
        ));
    }

    #[test]
    fn errors_name_the_package_and_what_there_is_instead() {
        let message = get(Some("1.0.1")).unwrap_err().to_string();
        assert_eq!(
            message,
            "npm:a@1.0.1 does not exist; the nearest versions are 1.0.0, 1.1.0, 2.0.0-rc.1; the newest is 1.1.0"
        );
        assert!(
            get(Some("0.9.9"))
                .unwrap_err()
                .to_string()
                .contains("names no archive")
        );
        let package = PackageRef::new(apa_model::Ecosystem::Npm, "a", None).unwrap();
        for bad in ["", "7", "{\"versions\": 3}"] {
            assert!(
                matches!(
                    release(bad.as_bytes(), &package),
                    Err(EcosystemError::Metadata { .. })
                ),
                "{bad}"
            );
        }
        assert!(matches!(
            release(b"{}", &package),
            Err(EcosystemError::UnknownVersion { .. })
        ));
    }

    #[test]
    fn without_a_latest_tag_the_highest_release_is_taken() {
        let package = PackageRef::new(apa_model::Ecosystem::Npm, "a", None).unwrap();
        let json = r#"{"versions": {"1.9.0": {"dist":{"tarball":"http://r.test/a-1.tgz"}},
            "1.10.0": {"dist":{"tarball":"http://r.test/a-2.tgz"}}, "2.0.0-beta": {}}}"#;
        assert_eq!(
            release(json.as_bytes(), &package)
                .unwrap()
                .package
                .version
                .as_deref(),
            Some("1.10.0")
        );
    }
}
