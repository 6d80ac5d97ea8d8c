use std::collections::BTreeMap;

use apa_gateway::{Gateway, Integrity};
use apa_model::{Anomaly, ArtifactKind, PackageRef};
use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;
use serde_json::Value;

use super::filename::{self, Parts};
use super::interpreter::Interpreter;
use crate::text::{excerpt, other_versions};
use crate::{EcosystemError, Release, ReleaseFile};

/// The JSON form of a project's page in the simple index, as far as it is needed.
#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    files: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, Value>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, rename = "upload-time")]
    uploaded: Option<String>,
    #[serde(default)]
    yanked: Value,
    #[serde(default, rename = "requires-python")]
    python: Option<String>,
}

/// A file that could be understood.
struct Candidate<'a> {
    listed: &'a Listed,
    parts: Parts,
    version: Version,
    /// Position of the best tag among those pip takes; `None`: pip would not take the wheel.
    rank: Option<usize>,
    compatible: bool,
}

/// The version that `package` asks for: exact, or the one pip would take.
pub(super) async fn resolve(
    gateway: &Gateway,
    package: &PackageRef,
) -> Result<Release, EcosystemError> {
    let failed = |source| EcosystemError::from_gateway(package, source);
    let bytes = gateway.pypi_project(&package.name).await.map_err(failed)?;
    let page = gateway.pypi_page(&package.name).map_err(failed)?;
    let mut release = release(&bytes, package, &Interpreter::ask(None)?)?;
    for file in &mut release.files {
        // Addresses may be relative to the page they stand on.
        if let Ok(url) = page.join(&file.url) {
            file.url = url.into();
        }
    }
    Ok(release)
}

fn release(
    bytes: &[u8],
    package: &PackageRef,
    interpreter: &Interpreter,
) -> Result<Release, EcosystemError> {
    let project: Project =
        serde_json::from_slice(bytes).map_err(|error| EcosystemError::Metadata {
            package: package.clone(),
            why: error.to_string().into(),
        })?;
    let candidates: Vec<_> = project
        .files
        .iter()
        .filter_map(|listed| Candidate::new(listed, package, interpreter))
        .collect();
    let wanted = pick(&candidates, package)?;
    let of_version: Vec<_> = candidates
        .iter()
        .filter(|file| file.version == wanted)
        .collect();
    let text = of_version[0].parts.version.clone();
    let package = package.at(&text);
    let chosen = choose(&of_version).ok_or_else(|| no_files(&package, &of_version, interpreter))?;
    Ok(Release {
        files: of_version.iter().map(|file| file.to_file()).collect(),
        chosen,
        published_at: published(&candidates, &wanted),
        previous_version: previous(&candidates, &wanted),
        anomalies: anomalies(&of_version),
        package,
    })
}

impl<'a> Candidate<'a> {
    fn new(listed: &'a Listed, package: &PackageRef, interpreter: &Interpreter) -> Option<Self> {
        let parts = filename::parse_of(&package.name, &listed.filename)?;
        let version = parts.version.parse().ok()?;
        let rank = interpreter
            .tags
            .iter()
            .position(|tag| parts.tags.contains(tag));
        // A condition that cannot be read excludes nothing, as in pip.
        let python = listed
            .python
            .as_deref()
            .and_then(|text| text.parse::<VersionSpecifiers>().ok());
        let python = python
            .zip(interpreter.version.parse().ok())
            .is_none_or(|(condition, version): (_, Version)| condition.contains(&version));
        let installable = parts.kind == ArtifactKind::Sdist || rank.is_some();
        Some(Self {
            compatible: python && installable,
            listed,
            version,
            rank,
            parts,
        })
    }

    fn is_yanked(&self) -> bool {
        !matches!(self.listed.yanked, Value::Null | Value::Bool(false))
    }

    fn to_file(&self) -> ReleaseFile {
        let hash = |name: &str| Integrity::from_hex(name, self.listed.hashes.get(name)?.as_str()?);
        ReleaseFile {
            filename: self.listed.filename.clone(),
            url: self.listed.url.clone(),
            integrity: hash("sha256")
                .or_else(|| hash("sha512"))
                .unwrap_or(Integrity::Unstated),
            size: self.listed.size,
            kind: self.parts.kind,
            compatible: self.compatible,
        }
    }
}

/// As pip: the highest version with a file for this interpreter that is neither withdrawn nor a preview, and
/// previews only when there is nothing else. A version asked for by number may be withdrawn.
fn pick(candidates: &[Candidate<'_>], package: &PackageRef) -> Result<Version, EcosystemError> {
    let unknown = |wanted: &str| EcosystemError::UnknownVersion {
        package: package.at(wanted),
        hint: other_versions(wanted, &sorted(candidates)),
    };
    if let Some(text) = &package.version {
        let wanted: Version = text.parse().map_err(|_| unknown(text))?;
        let known = candidates.iter().any(|file| file.version == wanted);
        return if known {
            Ok(wanted)
        } else {
            Err(unknown(text))
        };
    }
    let highest = |usable: &dyn Fn(&Candidate<'_>) -> bool| {
        let versions = candidates.iter().filter(|file| usable(file));
        versions.map(|file| file.version.clone()).max()
    };
    highest(&|file| file.compatible && !file.is_yanked() && !file.version.any_prerelease())
        .or_else(|| highest(&|file| file.compatible && !file.is_yanked()))
        .or_else(|| highest(&|file| !file.is_yanked() && !file.version.any_prerelease()))
        .or_else(|| highest(&|_| true))
        .ok_or_else(|| EcosystemError::NoFiles {
            package: package.clone(),
            why: "the registry lists neither a wheel nor a source distribution".into(),
            next: "check the name, or ask another registry",
        })
}

fn sorted(candidates: &[Candidate<'_>]) -> Vec<String> {
    let versions: BTreeMap<_, _> = candidates
        .iter()
        .map(|file| (&file.version, &file.parts.version))
        .collect();
    versions.into_values().cloned().collect()
}

/// The wheel with the best tag (and the highest build number), else the source distribution.
fn choose(files: &[&Candidate<'_>]) -> Option<usize> {
    let usable = || files.iter().enumerate().filter(|(_, file)| file.compatible);
    let wheel = usable()
        .filter_map(|(at, file)| Some((file.rank?, std::cmp::Reverse(file.parts.build), at)))
        .min()
        .map(|(_, _, at)| at);
    wheel.or_else(|| {
        usable()
            .find(|(_, file)| file.parts.kind == ArtifactKind::Sdist)
            .map(|(at, _)| at)
    })
}

fn no_files(
    package: &PackageRef,
    files: &[&Candidate<'_>],
    interpreter: &Interpreter,
) -> EcosystemError {
    let names: Vec<_> = files
        .iter()
        .take(3)
        .map(|file| file.listed.filename.as_str())
        .collect();
    let why = format!(
        "its {} file(s) are not for Python {} here: {}",
        files.len(),
        interpreter.version,
        names.join(", ")
    );
    EcosystemError::NoFiles {
        package: package.clone(),
        why: excerpt(&why, 400),
        next: "try another version, or give one of its files",
    }
}

/// When the first file of a version was uploaded.
fn uploaded(candidates: &[Candidate<'_>], version: &Version) -> Option<(jiff::Timestamp, String)> {
    candidates
        .iter()
        .filter(|file| file.version == *version)
        .filter_map(|file| {
            let text = file.listed.uploaded.as_ref()?;
            Some((text.parse().ok()?, text.clone()))
        })
        .min()
}

fn published(candidates: &[Candidate<'_>], version: &Version) -> Option<String> {
    uploaded(candidates, version).map(|(_, text)| text)
}

/// The version published last before this one, which need not be the next lower number.
fn previous(candidates: &[Candidate<'_>], version: &Version) -> Option<String> {
    let (published, _) = uploaded(candidates, version)?;
    let mut first: BTreeMap<&Version, (jiff::Timestamp, &str)> = BTreeMap::new();
    for file in candidates {
        let instant = file
            .listed
            .uploaded
            .as_ref()
            .and_then(|text| text.parse().ok());
        if let Some(instant) = instant {
            let seen = first
                .entry(&file.version)
                .or_insert((instant, &file.parts.version));
            seen.0 = seen.0.min(instant);
        }
    }
    let before = first
        .into_iter()
        .filter(|(other, (instant, _))| *other != version && *instant < published);
    before
        .max_by_key(|(other, (instant, _))| (*instant, (*other).clone()))
        .map(|(_, (_, text))| text.to_owned())
}

/// Most oddities of one release that are kept.
const MOST_ANOMALIES: usize = 50;

fn anomalies(files: &[&Candidate<'_>]) -> Vec<Anomaly> {
    let anomaly = |kind: &str, path: &str, detail: &str| Anomaly {
        kind: kind.to_owned(),
        path: path.into(),
        detail: excerpt(detail, 300),
    };
    let mut anomalies = Vec::new();
    for file in files {
        let name = &file.listed.filename;
        if file.is_yanked() {
            let reason = file.listed.yanked.as_str().unwrap_or("no reason given");
            anomalies.push(anomaly("yanked", name, reason));
        }
        if file.listed.hashes.is_empty() {
            anomalies.push(anomaly("no-integrity", name, "the registry states no hash"));
        }
    }
    anomalies.truncate(MOST_ANOMALIES);
    anomalies
}

#[cfg(test)]
mod tests;
