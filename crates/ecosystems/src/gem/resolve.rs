use std::collections::HashMap;

use apa_gateway::{Gateway, GemVersion, Integrity};
use apa_model::{Anomaly, ArtifactKind, PackageRef};
use serde::Deserialize;

use super::client::Client;
use super::version::{Version, satisfies};
use crate::text::{excerpt, other_versions};
use crate::{EcosystemError, Release, ReleaseFile};

/// What the registry's own interface tells of a version; mirrors tell nothing.
#[derive(Deserialize)]
struct Detail {
    number: String,
    #[serde(default)]
    created_at: Option<String>,
}

/// The version that `package` asks for: exact, or the one gem would take.
pub(super) async fn resolve(
    gateway: &Gateway,
    package: &PackageRef,
) -> Result<Release, EcosystemError> {
    let failed = |source| EcosystemError::from_gateway(package, source);
    let listed = gateway.gem_versions(&package.name).await.map_err(failed)?;
    // Without it, or when it makes no sense, publish times are unknown.
    let details = gateway.gem_details(&package.name).await.ok();
    let details = details.and_then(|body| serde_json::from_slice::<Vec<Detail>>(&body).ok());
    let mut release = release(
        &listed,
        &details.unwrap_or_default(),
        package,
        &Client::ask(None)?,
    )?;
    for file in &mut release.files {
        let full_name = file.filename.trim_end_matches(".gem");
        file.url = gateway.gem_file(full_name).map_err(failed)?.into();
    }
    Ok(release)
}

struct Candidate<'a> {
    listed: &'a GemVersion,
    version: Version,
    compatible: bool,
}

/// Files have no address yet.
fn release(
    listed: &[GemVersion],
    details: &[Detail],
    package: &PackageRef,
    client: &Client,
) -> Result<Release, EcosystemError> {
    let mut candidates: Vec<_> = listed
        .iter()
        .filter_map(|listed| Candidate::new(listed, client))
        .collect();
    candidates.sort_by(|a, b| a.version.cmp(&b.version));
    let wanted = pick(&candidates, package)?;
    let package = package.at(wanted.text());
    let files: Vec<_> = candidates
        .iter()
        .filter(|file| file.version == *wanted)
        .collect();
    // As gem: a build for this platform before one for all.
    let usable = || files.iter().enumerate().filter(|(_, file)| file.compatible);
    let chosen = usable()
        .find(|(_, file)| file.listed.platform.is_some())
        .or_else(|| usable().next())
        .map(|(at, _)| at)
        .ok_or_else(|| no_files(&package, &files, client))?;
    let times = times(details);
    Ok(Release {
        files: files
            .iter()
            .map(|file| file.to_file(&package.name))
            .collect(),
        chosen,
        published_at: times.get(wanted.text()).map(|(_, text)| text.clone()),
        previous_version: previous(&times, wanted.text()),
        anomalies: anomalies(&files),
        package,
    })
}

impl<'a> Candidate<'a> {
    fn new(listed: &'a GemVersion, client: &Client) -> Option<Self> {
        let suits = |ours: &str, wanted: &[String]| {
            Version::parse(ours).is_none_or(|ours| satisfies(&ours, wanted))
        };
        Some(Self {
            version: Version::parse(&listed.version)?,
            compatible: listed.platform.as_deref().is_none_or(|it| client.runs(it))
                && suits(&client.ruby, &listed.ruby)
                && suits(&client.rubygems, &listed.rubygems),
            listed,
        })
    }

    fn to_file(&self, name: &str) -> ReleaseFile {
        ReleaseFile {
            filename: format!("{}.gem", self.listed.full_name(name)),
            url: String::new(),
            integrity: self.listed.integrity.clone(),
            size: None,
            kind: ArtifactKind::Gem,
            compatible: self.compatible,
        }
    }
}

/// The highest version for this machine that is no preview; previews only when there is nothing else.
fn pick<'a>(
    candidates: &'a [Candidate<'_>],
    package: &PackageRef,
) -> Result<&'a Version, EcosystemError> {
    let unknown = |wanted: &str| {
        let mut versions: Vec<_> = candidates
            .iter()
            .map(|file| file.version.text().to_owned())
            .collect();
        versions.dedup();
        EcosystemError::UnknownVersion {
            package: package.at(wanted),
            hint: other_versions(wanted, &versions),
        }
    };
    if let Some(wanted) = &package.version {
        let parsed = Version::parse(wanted);
        let mut found = candidates.iter().map(|file| &file.version);
        return found
            .find(|version| Some(*version) == parsed.as_ref())
            .ok_or_else(|| unknown(wanted));
    }
    let last = |usable: &dyn Fn(&Candidate<'_>) -> bool| {
        let mut files = candidates.iter().rev();
        files.find(|file| usable(file)).map(|file| &file.version)
    };
    last(&|file| file.compatible && !file.version.is_preview())
        .or_else(|| last(&|file| file.compatible))
        .or_else(|| last(&|file| !file.version.is_preview()))
        .or_else(|| last(&|_| true))
        .ok_or_else(|| unknown("latest"))
}

fn no_files(package: &PackageRef, files: &[&Candidate<'_>], client: &Client) -> EcosystemError {
    let wants: Vec<_> = files
        .iter()
        .take(3)
        .map(|file| {
            let platform = file.listed.platform.as_deref().unwrap_or("ruby");
            format!("{platform} (ruby {})", file.listed.ruby.join(", "))
        })
        .collect();
    let why = format!(
        "its files are not for Ruby {} on {} here: {}",
        client.ruby,
        client.platform,
        wants.join("; ")
    );
    EcosystemError::NoFiles {
        package: package.clone(),
        why: excerpt(&why, 400),
        next: "try another version, or give one of its files",
    }
}

/// When each version first appeared.
fn times(details: &[Detail]) -> HashMap<&str, (jiff::Timestamp, String)> {
    let mut times: HashMap<&str, (jiff::Timestamp, String)> = HashMap::new();
    for detail in details {
        let Some(text) = &detail.created_at else {
            continue;
        };
        let Ok(instant) = text.parse() else { continue };
        let seen = times
            .entry(&detail.number)
            .or_insert_with(|| (instant, text.clone()));
        if instant < seen.0 {
            *seen = (instant, text.clone());
        }
    }
    times
}

/// The version published last before this one, which need not be the next lower number.
fn previous(times: &HashMap<&str, (jiff::Timestamp, String)>, version: &str) -> Option<String> {
    let (published, _) = times.get(version)?;
    let earlier = times.iter().filter(|(_, (instant, _))| instant < published);
    earlier
        .max_by_key(|(number, (instant, _))| (*instant, **number))
        .map(|(number, _)| (*number).to_owned())
}

fn anomalies(files: &[&Candidate<'_>]) -> Vec<Anomaly> {
    let unstated = files
        .iter()
        .filter(|file| file.listed.integrity == Integrity::Unstated);
    unstated
        .take(50)
        .map(|file| Anomaly {
            kind: "no-integrity".to_owned(),
            path: file.listed.platform.as_deref().unwrap_or("ruby").into(),
            detail: "the registry states no hash".into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use apa_model::Ecosystem;

    use super::*;

    fn listed(version: &str, platform: Option<&str>, ruby: &str) -> GemVersion {
        GemVersion {
            version: version.into(),
            platform: platform.map(str::to_owned),
            dependencies: Vec::new(),
            integrity: Integrity::Unstated,
            ruby: vec![ruby.to_owned()],
            rubygems: Vec::new(),
        }
    }

    fn get(version: Option<&str>) -> Result<Release, EcosystemError> {
        let client = Client {
            ruby: "3.1.2".into(),
            rubygems: "3.3.15".into(),
            platform: "x86_64-linux".into(),
            ..Client::default()
        };
        let listed = [
            listed("1.9.0", None, ">= 2"),
            listed("1.10.0", None, ">= 2"),
            listed("1.10.0", Some("x86_64-linux"), ">= 2"),
            listed("1.10.0", Some("java"), ">= 2"),
            listed("1.11.0", None, ">= 3.2"),
            listed("1.12.0.pre", None, ">= 2"),
        ];
        let detail = |number: &str, at: &str| Detail {
            number: number.into(),
            created_at: Some(at.into()),
        };
        let details = [
            detail("1.9.0", "2024-05-01T00:00:00.000Z"),
            detail("1.10.0", "2024-06-01T00:00:00.000Z"),
            detail("1.11.0", "2024-07-01T00:00:00.000Z"),
        ];
        let package = PackageRef::new(Ecosystem::Gem, "a", version).unwrap();
        release(&listed, &details, &package, &client)
    }

    #[test]
    fn the_highest_version_for_this_ruby_is_taken_in_its_native_form() {
        let release = get(None).unwrap();
        assert_eq!(release.package.version.as_deref(), Some("1.10.0"));
        assert_eq!(
            release.files[release.chosen].filename,
            "a-1.10.0-x86_64-linux.gem"
        );
        assert_eq!(release.files.len(), 3);
        assert_eq!(release.previous_version.as_deref(), Some("1.9.0"));
        assert_eq!(
            release.published_at.as_deref(),
            Some("2024-06-01T00:00:00.000Z")
        );
    }

    #[test]
    fn a_version_is_found_however_it_is_written() {
        let release = get(Some("1.9")).unwrap();
        assert_eq!(release.package.version.as_deref(), Some("1.9.0"));
        let error = get(Some("7")).unwrap_err().to_string();
        assert!(error.contains("1.12.0.pre"), "{error}");
        let error = get(Some("1.11.0")).unwrap_err().to_string();
        assert!(error.contains("ruby >= 3.2"), "{error}");
    }
}
