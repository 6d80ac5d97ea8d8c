use apa_gateway::{ComposerVersion, Gateway, Integrity};
use apa_model::{Anomaly, ArtifactKind, PackageRef};
use serde_json::Value;

use super::client::Client;
use super::version::{Version, satisfies};
use crate::text::{excerpt, other_versions, to_plain};
use crate::{EcosystemError, Release, ReleaseFile};

/// The version that `package` asks for: exact, or the one Composer would take.
pub(super) async fn resolve(
    gateway: &Gateway,
    package: &PackageRef,
) -> Result<Release, EcosystemError> {
    let failed = |source| EcosystemError::from_gateway(package, source);
    let listed = gateway
        .composer_versions(&package.name)
        .await
        .map_err(failed)?;
    release(&listed, package, &Client::ask()?)
}

struct Candidate<'a> {
    fields: &'a ComposerVersion,
    /// As the author writes it: `v5.4.0`, `dev-main`.
    text: &'a str,
    /// `None` for a branch.
    version: Option<Version>,
    compatible: bool,
}

fn release(
    listed: &[ComposerVersion],
    package: &PackageRef,
    client: &Client,
) -> Result<Release, EcosystemError> {
    let mut candidates: Vec<_> = listed
        .iter()
        .filter_map(|fields| Candidate::new(fields, client))
        .collect();
    candidates.sort_by(|a, b| a.version.cmp(&b.version));
    let wanted = pick(&candidates, package)?;
    let package = package.at(wanted.text);
    let file = wanted.file(&package)?;
    Ok(Release {
        published_at: wanted.field("time").map(str::to_owned),
        previous_version: previous(&candidates, wanted),
        anomalies: anomalies(wanted, &file),
        files: vec![file],
        chosen: 0,
        package,
    })
}

impl<'a> Candidate<'a> {
    fn new(fields: &'a ComposerVersion, client: &Client) -> Option<Self> {
        let text = fields.get("version")?.as_str()?;
        let php = fields
            .get("require")
            .and_then(|it| it.get("php"))
            .and_then(Value::as_str);
        let here = Version::parse(&client.php);
        Some(Self {
            version: Version::parse(text),
            compatible: here
                .zip(php)
                .is_none_or(|(here, php)| satisfies(&here, php)),
            fields,
            text,
        })
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    fn dist(&self, name: &str) -> Option<&str> {
        self.fields
            .get("dist")?
            .get(name)?
            .as_str()
            .filter(|text| !text.is_empty())
    }

    fn instant(&self) -> Option<jiff::Timestamp> {
        self.field("time")?.parse().ok()
    }

    fn file(&self, package: &PackageRef) -> Result<ReleaseFile, EcosystemError> {
        let none = |why: &str| EcosystemError::NoFiles {
            package: package.clone(),
            why: why.into(),
            next: "try another version, or give one of its files",
        };
        let url = self
            .dist("url")
            .ok_or_else(|| none("the registry names no archive for it"))?;
        if self.dist("type") != Some("zip") {
            return Err(none("its archive is no zip file"));
        }
        let sha1 = self
            .dist("shasum")
            .and_then(|sum| Integrity::from_hex("sha1", sum));
        let name = format!("{}-{}", package.name.replace('/', "-"), self.text);
        Ok(ReleaseFile {
            filename: format!("{}.zip", to_plain(&name)),
            url: url.to_owned(),
            integrity: sha1.unwrap_or(Integrity::Unstated),
            size: None,
            kind: ArtifactKind::ComposerPackage,
            compatible: self.compatible,
        })
    }
}

/// The highest release for this PHP; previews and branches only when there is nothing else.
fn pick<'c, 'a>(
    candidates: &'c [Candidate<'a>],
    package: &PackageRef,
) -> Result<&'c Candidate<'a>, EcosystemError> {
    let unknown = |wanted: &str| EcosystemError::UnknownVersion {
        package: package.at(wanted),
        hint: other_versions(wanted, &texts(candidates)),
    };
    if let Some(wanted) = &package.version {
        let parsed = Version::parse(wanted);
        let same = |one: &&Candidate<'_>| parsed.is_some() && one.version == parsed;
        let exact = candidates.iter().find(|one| one.text == wanted);
        return exact
            .or_else(|| candidates.iter().find(same))
            .ok_or_else(|| unknown(wanted));
    }
    let last =
        |usable: &dyn Fn(&Candidate<'_>) -> bool| candidates.iter().rev().find(|one| usable(one));
    let stable = |one: &Candidate<'_>| one.version.as_ref().is_some_and(Version::is_stable);
    last(&|one| one.compatible && stable(one))
        .or_else(|| last(&|one| one.compatible && one.version.is_some()))
        .or_else(|| last(&stable))
        .or_else(|| last(&|_| true))
        .ok_or_else(|| unknown("latest"))
}

fn texts(candidates: &[Candidate<'_>]) -> Vec<String> {
    candidates.iter().map(|one| one.text.to_owned()).collect()
}

/// The version published last before this one, which need not be the next lower number.
fn previous(candidates: &[Candidate<'_>], wanted: &Candidate<'_>) -> Option<String> {
    let published = wanted.instant()?;
    let releases = candidates.iter().filter(|one| one.version.is_some());
    let earlier = releases.filter_map(|one| Some((one.instant()?, one.text)));
    let earlier = earlier.filter(|(instant, _)| *instant < published);
    earlier.max().map(|(_, text)| text.to_owned())
}

fn anomalies(wanted: &Candidate<'_>, file: &ReleaseFile) -> Vec<Anomaly> {
    let anomaly = |kind: &str, detail: &str| Anomaly {
        kind: kind.to_owned(),
        path: "registry metadata".into(),
        detail: excerpt(detail, 300),
    };
    let mut anomalies = Vec::new();
    if file.integrity == Integrity::Unstated {
        let commit = wanted.dist("reference").unwrap_or("of no stated commit");
        let detail = format!(
            "the registry states no hash of the archive; a code host packs it from commit {commit}"
        );
        anomalies.push(anomaly("no-integrity", &detail));
    }
    let abandoned = wanted.fields.get("abandoned");
    if abandoned.is_some_and(|it| *it != Value::Bool(false)) {
        let instead = abandoned.and_then(Value::as_str).unwrap_or("nothing");
        anomalies.push(anomaly(
            "abandoned",
            &format!("its author recommends {instead} instead"),
        ));
    }
    anomalies
}

#[cfg(test)]
mod tests {
    use apa_model::Ecosystem;
    use serde_json::json;

    use super::*;

    fn get(version: Option<&str>) -> Result<Release, EcosystemError> {
        let one = |version: &str, php: &str, time: &str| {
            json!({"version": version, "require": {"php": php}, "time": time,
                   "dist": {"type": "zip", "url": format!("https://code.test/{version}"), "shasum": "", "reference": "abc"}})
        };
        let mut listed = vec![
            one("v1.10.0", ">=8.1", "2024-03-01T00:00:00+00:00"),
            one("v1.9.0", ">=8.1", "2024-04-01T00:00:00+00:00"),
            one("2.0.0", ">=8.3", "2024-05-01T00:00:00+00:00"),
            one("2.0.0-beta1", "*", "2024-02-01T00:00:00+00:00"),
            one("dev-main", "*", "2024-06-01T00:00:00+00:00"),
        ];
        listed.push(json!({"version": "0.1.0"}));
        let listed: Vec<_> = listed
            .iter()
            .filter_map(|it| it.as_object().cloned())
            .collect();
        let client = Client {
            php: "8.2.36".into(),
        };
        let package = PackageRef::new(Ecosystem::Composer, "a/b", version).unwrap();
        release(&listed, &package, &client)
    }

    #[test]
    fn the_highest_release_for_this_php_is_taken_and_its_commit_told() {
        let release = get(None).unwrap();
        assert_eq!(release.package.version.as_deref(), Some("v1.10.0"));
        assert_eq!(release.files[0].filename, "a-b-v1.10.0.zip");
        assert_eq!(release.files[0].integrity, Integrity::Unstated);
        assert_eq!(release.previous_version.as_deref(), Some("2.0.0-beta1"));
        assert!(
            release.anomalies[0]
                .detail
                .to_string()
                .contains("commit abc")
        );
    }

    #[test]
    fn versions_and_branches_are_found_as_they_are_written() {
        let version = |wanted| get(Some(wanted)).unwrap().package.version.unwrap();
        assert_eq!(version("1.9"), "v1.9.0");
        assert_eq!(version("dev-main"), "dev-main");
        assert!(get(Some("9")).unwrap_err().to_string().contains("2.0.0"));
        assert!(
            get(Some("0.1.0"))
                .unwrap_err()
                .to_string()
                .contains("names no archive")
        );
    }
}
