use std::cmp::Ordering;

use apa_apk::{Keys, Record, compare};
use apa_gateway::{Gateway, Integrity};
use apa_model::{Anomaly, ArtifactKind, PackageRef};

use super::{architecture, companions};
use crate::text::{excerpt, other_versions};
use crate::{EcosystemError, Release, ReleaseFile};

/// The version asked for, or the newest in Alpine's order. Names are exact.
pub(super) async fn resolve(
    gateway: &Gateway,
    package: &PackageRef,
) -> Result<Release, EcosystemError> {
    // Whether the index is signed is told with the package; here it only names versions.
    let (index, _) = companions::index(gateway, &Keys::default()).await?;
    let name = package.name.rsplit('/').next().unwrap_or_default();
    let records: Vec<&Record> = index.versions(name).collect();
    let Some(record) = pick(&records, package.version.as_deref()) else {
        if records.is_empty() {
            return Err(EcosystemError::UnknownPackage {
                package: package.clone(),
            });
        }
        let wanted = package.version.as_deref().unwrap_or_default();
        let versions: Vec<_> = records.iter().map(|it| it.version.clone()).collect();
        return Err(EcosystemError::UnknownVersion {
            package: package.clone(),
            hint: other_versions(wanted, &versions),
        });
    };
    let url = gateway
        .apk_file(architecture(), &record.filename())
        .map_err(|source| EcosystemError::from_gateway(package, source))?;
    Ok(Release {
        files: vec![ReleaseFile {
            filename: record.filename(),
            url: url.into(),
            // The index knows only the control section, which is checked once the file is there.
            integrity: Integrity::Unstated,
            size: record.size,
            kind: ArtifactKind::Apk,
            compatible: true,
        }],
        chosen: 0,
        published_at: record.built.and_then(time),
        previous_version: previous(&records, record),
        package: package.at(&record.version),
        anomalies: origin(record),
    })
}

fn pick<'a>(records: &[&'a Record], wanted: Option<&str>) -> Option<&'a Record> {
    let mut fitting = records
        .iter()
        .copied()
        .filter(|record| wanted.is_none_or(|wanted| record.version == wanted));
    let first = fitting.next()?;
    Some(fitting.fold(first, newer))
}

fn newer<'a>(a: &'a Record, b: &'a Record) -> &'a Record {
    match compare(&a.version, &b.version) {
        Ordering::Less => b,
        _ => a,
    }
}

/// The newest of those that are older than `record`.
fn previous(records: &[&Record], record: &Record) -> Option<String> {
    let older = |other: &&&Record| compare(&other.version, &record.version) == Ordering::Less;
    let mut older = records.iter().copied().filter(|other| older(&other));
    let first = older.next()?;
    Some(older.fold(first, newer).version.clone())
}

fn time(seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    Some(time.to_string())
}

/// Where the repository says the package comes from.
fn origin(record: &Record) -> Vec<Anomaly> {
    let commit = record.commit.as_ref().map(|it| format!("commit {it}"));
    let maintainer = record
        .maintainer
        .as_ref()
        .map(|it| format!("maintainer {it}"));
    let told: Vec<_> = commit.into_iter().chain(maintainer).collect();
    if told.is_empty() {
        return Vec::new();
    }
    vec![Anomaly {
        kind: "origin".to_owned(),
        path: "APKINDEX".into(),
        detail: excerpt(&told.join(", "), 300),
    }]
}

#[cfg(test)]
mod tests {
    use apa_apk::Index;

    use super::*;

    #[test]
    fn the_newest_is_taken_and_the_one_before_it_told() {
        let index =
            Index::parse("P:a\nV:1.9-r0\n\nP:a\nV:1.10-r0\n\nP:a\nV:1.10_rc1-r0\n\nP:ab\nV:2-r0\n");
        let records: Vec<_> = index.versions("a").collect();
        let newest = pick(&records, None).unwrap();
        assert_eq!(newest.version, "1.10-r0");
        assert_eq!(previous(&records, newest).as_deref(), Some("1.10_rc1-r0"));
        assert_eq!(pick(&records, Some("1.9-r0")).unwrap().version, "1.9-r0");
        assert!(pick(&records, Some("1.9")).is_none());
    }
}
