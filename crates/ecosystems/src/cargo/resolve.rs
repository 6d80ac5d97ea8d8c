use apa_gateway::{Gateway, Integrity};
use apa_model::{Anomaly, ArtifactKind, PackageRef};
use semver::Version;
use serde::Deserialize;

use crate::text::other_versions;
use crate::{EcosystemError, Release, ReleaseFile};

/// A line of the sparse index, as far as it is needed.
#[derive(Deserialize)]
struct Line {
    name: String,
    vers: String,
    cksum: String,
    #[serde(default)]
    yanked: bool,
    /// When it was published; not every registry says so.
    #[serde(default)]
    pubtime: Option<String>,
}

/// A version that can be compared.
struct Known {
    line: Line,
    version: Version,
}

impl Known {
    fn published(&self) -> Option<jiff::Timestamp> {
        self.line.pubtime.as_deref()?.parse().ok()
    }
}

/// The version that `package` asks for: an exact one, or the newest that was not withdrawn.
pub(super) async fn resolve(
    gateway: &Gateway,
    package: &PackageRef,
) -> Result<Release, EcosystemError> {
    let failed = |source| EcosystemError::from_gateway(package, source);
    let bytes = gateway.crate_index(&package.name).await.map_err(failed)?;
    let versions = versions(&bytes);
    let picked = pick(&versions, package)?;
    let line = &picked.line;
    let url = gateway
        .crate_url(&line.name, &line.vers, &line.cksum)
        .await
        .map_err(failed)?;
    release(picked, &versions, package, url)
}

/// In the order of their numbers. As cargo does, lines that cannot be understood are passed over.
fn versions(bytes: &[u8]) -> Vec<Known> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let mut known: Vec<_> = lines
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
        .filter_map(|line| {
            let version = line.vers.parse().ok()?;
            Some(Known { line, version })
        })
        .collect();
    known.sort_by(|a, b| a.version.cmp(&b.version));
    known
}

fn pick<'v>(versions: &'v [Known], package: &PackageRef) -> Result<&'v Known, EcosystemError> {
    let picked = match &package.version {
        Some(wanted) => versions.iter().find(|known| known.line.vers == *wanted),
        None => versions.iter().max_by_key(|known| {
            (
                !known.line.yanked,
                known.version.pre.is_empty(),
                &known.version,
            )
        }),
    };
    picked.ok_or_else(|| {
        let wanted = package.version.as_deref().unwrap_or("latest");
        let all: Vec<_> = versions
            .iter()
            .map(|known| known.line.vers.clone())
            .collect();
        EcosystemError::UnknownVersion {
            package: package.at(wanted),
            hint: other_versions(wanted, &all),
        }
    })
}

fn release(
    picked: &Known,
    versions: &[Known],
    package: &PackageRef,
    url: String,
) -> Result<Release, EcosystemError> {
    let Line {
        name, vers, cksum, ..
    } = &picked.line;
    let integrity =
        Integrity::from_hex("sha256", cksum).ok_or_else(|| EcosystemError::Metadata {
            package: package.clone(),
            why: format!("the cksum of {vers} is no SHA-256").into(),
        })?;
    // The index tells how the name is written, and the manifest has it so.
    let package = PackageRef::new(package.ecosystem, name, Some(vers)).map_err(|error| {
        EcosystemError::Metadata {
            package: package.clone(),
            why: error.to_string().into(),
        }
    })?;
    let yanked = picked.line.yanked.then(|| Anomaly {
        kind: "yanked".to_owned(),
        path: "registry metadata".into(),
        detail: "this version was withdrawn; new projects do not get it".into(),
    });
    Ok(Release {
        files: vec![ReleaseFile {
            filename: format!("{name}-{vers}.crate"),
            url,
            integrity,
            size: None,
            kind: ArtifactKind::Crate,
            compatible: true,
        }],
        chosen: 0,
        published_at: picked.line.pubtime.clone(),
        previous_version: previous(picked, versions),
        package,
        anomalies: yanked.into_iter().collect(),
    })
}

/// The version published last before this one, which need not be the next lower number.
fn previous(picked: &Known, versions: &[Known]) -> Option<String> {
    let published = picked.published()?;
    versions
        .iter()
        .filter(|other| other.line.vers != picked.line.vers)
        .filter_map(|other| Some((other.published()?, other)))
        .filter(|(at, _)| *at < published)
        .max_by_key(|(at, _)| *at)
        .map(|(_, other)| other.line.vers.clone())
}

#[cfg(test)]
mod tests {
    use apa_model::Ecosystem;

    use super::*;

    const CKSUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn index() -> Vec<u8> {
        let lines = [
            r#""vers":"1.9.0","pubtime":"2024-01-01T00:00:00Z""#,
            r#""vers":"1.10.0","pubtime":"2024-02-01T00:00:00Z""#,
            r#""vers":"1.8.1","pubtime":"2024-03-01T00:00:00Z""#,
            r#""vers":"2.0.0","yanked":true"#,
            r#""vers":"2.0.0-rc.1""#,
        ];
        let lines = lines.map(|rest| format!(r#"{{"name":"Ab","cksum":"{CKSUM}",{rest}}}"#));
        format!("{}\nnonsense\n", lines.join("\n")).into_bytes()
    }

    fn get(version: Option<&str>) -> Result<Release, EcosystemError> {
        let package = PackageRef::new(Ecosystem::Cargo, "ab", version).unwrap();
        let versions = versions(&index());
        let picked = pick(&versions, &package)?;
        release(picked, &versions, &package, "http://r.test/f".into())
    }

    #[test]
    fn the_newest_is_the_highest_number_that_is_neither_withdrawn_nor_a_preview() {
        let release = get(None).unwrap();
        assert_eq!(release.package.to_string(), "cargo:Ab@1.10.0");
        assert_eq!(release.files[0].filename, "Ab-1.10.0.crate");
        assert_eq!(release.previous_version.as_deref(), Some("1.9.0"));
    }

    #[test]
    fn a_release_of_an_old_line_follows_what_was_published_before_it() {
        let release = get(Some("1.8.1")).unwrap();
        assert_eq!(release.previous_version.as_deref(), Some("1.10.0"));
        assert_eq!(
            release.published_at.as_deref(),
            Some("2024-03-01T00:00:00Z")
        );
    }

    #[test]
    fn what_the_registry_does_not_say_is_unknown_and_withdrawal_is_told() {
        let release = get(Some("2.0.0")).unwrap();
        assert_eq!(
            (release.published_at, release.previous_version),
            (None, None)
        );
        assert_eq!(release.anomalies[0].kind, "yanked");
    }

    #[test]
    fn an_unknown_version_is_answered_with_the_nearest() {
        let message = get(Some("1.9.1")).unwrap_err().to_string();
        assert!(message.contains("nearest versions are 1.9.0"), "{message}");
    }
}
