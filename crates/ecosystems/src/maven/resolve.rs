use apa_gateway::maven::{MavenFile, Metadata};
use apa_gateway::{Gateway, GatewayError, Integrity};
use apa_model::{Anomaly, ArtifactKind, PackageRef};

use super::signature::key_id;
use super::version::Version;
use crate::text::{excerpt, other_versions};
use crate::{EcosystemError, Release, ReleaseFile};

/// Packagings whose artifact is a file of that extension; all others are jars.
const OWN_EXTENSION: [&str; 5] = ["war", "ear", "rar", "aar", "zip"];

/// Most versions that are asked when they came.
const MOST_ASKED: usize = 100;

/// The version that `package` asks for: exact, or the newest release.
pub(super) async fn resolve(
    gateway: &Gateway,
    package: &PackageRef,
) -> Result<Release, EcosystemError> {
    let failed = |source| EcosystemError::from_gateway(package, source);
    let bytes = gateway
        .maven_metadata(&package.name)
        .await
        .map_err(failed)?;
    let metadata = Metadata::parse(&bytes).map_err(|why| EcosystemError::Metadata {
        package: package.clone(),
        why: why.into(),
    })?;
    let versions = sorted(&metadata);
    let version = match package.version.as_deref() {
        Some(_) => pick(&metadata, &versions, package)?,
        None if gateway.as_of().is_some() => {
            let there = newest_then(gateway, package, &versions).await?;
            pick(&metadata, &versions, &package.at(&there))?
        }
        None => pick(&metadata, &versions, package)?,
    };
    let exact = package.at(&version);
    let failed = |source: GatewayError| EcosystemError::Registry {
        package: exact.clone(),
        source: Box::new(source),
    };
    let there = gateway.maven_was_there(&exact.name, &version).await;
    if !there.map_err(failed)? {
        return Err(EcosystemError::UnknownVersion {
            package: exact,
            hint: "it came after the time that is set".into(),
        });
    }
    let pom = gateway
        .maven_pom(&exact.name, &version)
        .await
        .map_err(failed)?;
    let packaging = pom.packaging.as_deref().unwrap_or("jar");
    if packaging == "pom" {
        return Err(EcosystemError::NoFiles {
            package: exact,
            why: "its packaging is pom, it has no classes of its own".into(),
            next: "analyse one of the artifacts that it names",
        });
    }
    let extension = OWN_EXTENSION
        .into_iter()
        .find(|known| *known == packaging)
        .unwrap_or("jar");
    let described = MavenFile::new(&exact.name, &version, None, "pom");
    let file = MavenFile::new(&exact.name, &version, None, extension);
    let (url, integrity) = gateway.maven_stated(&file).await.map_err(failed)?;
    // Signature and time are worth knowing, and nothing fails without them.
    let signature = gateway.maven_signature(&file).await.ok().flatten();
    let changed = gateway.maven_changed(&described).await.ok().flatten();
    let mut anomalies = vec![signed(signature.as_deref())];
    if integrity == Integrity::Unstated {
        anomalies.push(fact(
            "no-integrity",
            "the repository states no SHA-256 or SHA-1 of the file",
        ));
    }
    Ok(Release {
        files: vec![ReleaseFile {
            filename: file.file,
            url,
            integrity,
            size: None,
            kind: ArtifactKind::Jar,
            compatible: true,
        }],
        chosen: 0,
        published_at: changed.map(|at| at.to_string()),
        previous_version: previous(&versions, &version),
        package: exact,
        anomalies,
    })
}

/// Who signed it is the only statement about its publisher that is more than a word of the POM.
fn signed(signature: Option<&[u8]>) -> Anomaly {
    match signature {
        None => fact(
            "unsigned",
            "the repository keeps no signature beside the file",
        ),
        Some(signature) => match key_id(signature) {
            Some(id) => fact(
                "signing-key",
                &format!("its signature (not checked) names the OpenPGP key {id}"),
            ),
            None => fact("signature-unread", "its signature names no key"),
        },
    }
}

fn fact(kind: &str, detail: &str) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: "repository".into(),
        detail: excerpt(detail, 300),
    }
}

/// From old to new.
fn sorted(metadata: &Metadata) -> Vec<String> {
    let mut versions = metadata.versions.clone();
    versions.sort_by_cached_key(|text| Version::parse(text));
    versions
}

/// The highest release, else the highest version, that was there at the time that is set.
async fn newest_then(
    gateway: &Gateway,
    package: &PackageRef,
    versions: &[String],
) -> Result<String, EcosystemError> {
    let (released, others): (Vec<_>, Vec<_>) = versions
        .iter()
        .rev()
        .partition(|text| Version::parse(text).is_release());
    for version in released.into_iter().chain(others).take(MOST_ASKED) {
        let there = gateway.maven_was_there(&package.name, version).await;
        if there.map_err(|source| EcosystemError::from_gateway(package, source))? {
            return Ok(version.clone());
        }
    }
    Err(EcosystemError::UnknownVersion {
        package: package.at("latest"),
        hint: format!("none of its {MOST_ASKED} newest versions was there at the time that is set")
            .into(),
    })
}

fn pick(
    metadata: &Metadata,
    versions: &[String],
    package: &PackageRef,
) -> Result<String, EcosystemError> {
    let newest = || {
        let released = |text: &&String| Version::parse(text).is_release();
        // A repository takes previews for releases as well.
        let stated = metadata.release.as_ref().filter(released);
        stated
            .or_else(|| versions.iter().rfind(released))
            .or(metadata.release.as_ref())
            .or(metadata.latest.as_ref())
            .or(versions.last())
            .cloned()
    };
    let picked = match package.version.as_deref() {
        None | Some("latest" | "LATEST" | "RELEASE") => newest(),
        // Some repositories do not list every version they hold.
        Some(exact) if versions.is_empty() => Some(exact.to_owned()),
        Some(exact) => versions.iter().find(|known| *known == exact).cloned(),
    };
    let usable = picked
        .filter(|version| PackageRef::new(package.ecosystem, &package.name, Some(version)).is_ok());
    usable.ok_or_else(|| EcosystemError::UnknownVersion {
        package: package.at(package.version.as_deref().unwrap_or("latest")),
        hint: other_versions(package.version.as_deref().unwrap_or_default(), versions),
    })
}

/// The next lower number: a repository in Maven's layout does not say when a version came.
fn previous(versions: &[String], version: &str) -> Option<String> {
    let at = versions.iter().position(|known| known == version)?;
    versions.get(at.checked_sub(1)?).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        Metadata {
            versions: ["2.0-rc1", "1.0", "1.10", "1.9"].map(String::from).into(),
            release: None,
            latest: None,
        }
    }

    fn version(metadata: &Metadata, wanted: Option<&str>) -> Result<String, EcosystemError> {
        let package = PackageRef::new(apa_model::Ecosystem::Maven, "g:a", wanted).unwrap();
        pick(metadata, &sorted(metadata), &package)
    }

    #[test]
    fn the_stated_release_wins_else_the_highest() {
        assert_eq!(version(&metadata(), None).unwrap(), "1.10");
        let stated = Metadata {
            release: Some("1.9".into()),
            ..metadata()
        };
        assert_eq!(version(&stated, None).unwrap(), "1.9");
        assert_eq!(version(&metadata(), Some("1.0")).unwrap(), "1.0");
        let preview = Metadata {
            release: Some("2.0-rc1".into()),
            ..metadata()
        };
        assert_eq!(version(&preview, None).unwrap(), "1.10");
        let odd = Metadata {
            release: Some("../1".into()),
            ..Metadata::default()
        };
        assert!(version(&odd, None).is_err());
    }

    #[test]
    fn an_unknown_version_is_told_with_its_neighbours() {
        let message = version(&metadata(), Some("1.8")).unwrap_err().to_string();
        assert_eq!(
            message,
            "maven:g:a@1.8 does not exist; the nearest versions are 1.10, 1.9, 1.0; the newest is 2.0-rc1"
        );
    }

    #[test]
    fn the_previous_version_is_the_next_lower_one() {
        let versions = sorted(&metadata());
        assert_eq!(previous(&versions, "1.10").as_deref(), Some("1.9"));
        assert_eq!(previous(&versions, "1.0"), None);
    }
}
