use std::path::Path;

use apa_apk::{Dependency, Index, Integrity, Keys, Package, Record, Resolution, resolve};
use apa_archive::{Archive, Limits};
use apa_gateway::{Gateway, Integrity as Stated};
use apa_model::{Ecosystem, Incomplete, IncompleteCode, PackageRef, Phase};

use super::architecture;
use crate::adapter::Companion;
use crate::{EcosystemError, Provision, ProvisionInput, host};

/// Where a root keeps what is installed in it.
const INSTALLED: &str = "lib/apk/db/installed";
/// Where it keeps the keys it trusts.
const KEYS: &str = "etc/apk/keys";
/// Most names of needs that are told.
const MOST_NAMED: usize = 5;

/// The package's own integrity, and whatever it needs that the root has not.
pub(super) async fn provide(
    gateway: &Gateway,
    input: ProvisionInput<'_>,
) -> Result<Provision, EcosystemError> {
    let keys = keys(input.root, input.keys)?;
    let integrity = apa_apk::verify(input.archive, &keys);
    let mut out = Provision {
        anomalies: integrity.anomalies(),
        ..Provision::default()
    };
    let Some(package) = Package::read(input.archive) else {
        return Ok(out);
    };
    let (installed, own) = (installed(input.root), own(&package));
    let present = |needed: &Dependency| {
        let mut there = installed.candidates(&needed.name);
        own.satisfies(needed) || there.any(|it| it.satisfies(needed))
    };
    let wanted = &package.info.depends;
    if !input.published && wanted.iter().all(|it| it.conflict || present(it)) {
        return Ok(out);
    }
    let index = match index(gateway, &keys).await {
        Ok((index, anomalies)) => {
            out.anomalies.extend(anomalies);
            index
        }
        // A file from elsewhere needs no repository, if it needs nothing else.
        Err(EcosystemError::Registry { source, .. }) if source.is_unconfigured() => {
            Index::default()
        }
        Err(error) => return Err(error),
    };
    if input.published {
        check_record(&package, &integrity, &index)?;
    }
    let found = resolve(&index, wanted, &present);
    for record in &found.packages {
        if record.name != package.info.name {
            out.packages.push(fetch(gateway, record, &keys).await?);
        }
    }
    out.incomplete = lacking(&found, index.records.is_empty());
    Ok(out)
}

fn lacking(found: &Resolution<'_>, nowhere: bool) -> Vec<Incomplete> {
    let missing: Vec<_> = found.missing.iter().map(|it| it.name.as_str()).collect();
    let why = if nowhere {
        "no repository is set: name one with --registry apk=URL"
    } else {
        "no package of the repository provides it"
    };
    let missing = some(&missing).map(|missing| format!("needs {missing}, and {why}"));
    let cut = found
        .cut
        .then(|| "needs more packages than are followed".to_owned());
    let conflicts = found.conflicts.iter().map(|(name, forbidden)| {
        format!(
            "{name} is needed and must not be there (!{})",
            forbidden.name
        )
    });
    missing
        .into_iter()
        .chain(cut)
        .chain(conflicts)
        .map(|what| Incomplete {
            code: IncompleteCode::InstallFailed,
            phase: Some(Phase::Install),
            detail: what.into(),
        })
        .collect()
}

/// The first few, and how many more there are.
fn some(names: &[&str]) -> Option<String> {
    let named = names[..names.len().min(MOST_NAMED)].join(", ");
    match names.len() {
        0 => None,
        few if few <= MOST_NAMED => Some(named),
        many => Some(format!("{named} and {} more", many - MOST_NAMED)),
    }
}

/// Keys of the root, of this machine's `apk`, and those given.
pub(super) fn keys(root: &Path, given: Option<&Path>) -> Result<Keys, EcosystemError> {
    let mut keys = Keys::default();
    let folders = [Some(root.join(KEYS)), Some(Path::new("/").join(KEYS))];
    for folder in folders.into_iter().flatten() {
        for (name, pem) in host::texts(&folder, ".pub") {
            // Keys of other kinds lie there too, and sign nothing that is read here.
            let _ = keys.add(&name, &pem);
        }
    }
    for (name, pem) in given
        .map(|folder| host::texts(folder, ".pub"))
        .unwrap_or_default()
    {
        keys.add(&name, &pem)
            .map_err(|error| EcosystemError::Key(error.to_string()))?;
    }
    Ok(keys)
}

/// The repository's index.
pub(super) async fn index(
    gateway: &Gateway,
    keys: &Keys,
) -> Result<(Index, Vec<apa_model::Anomaly>), EcosystemError> {
    let whole = PackageRef {
        ecosystem: Ecosystem::Apk,
        name: "APKINDEX".to_owned(),
        version: None,
    };
    let bytes = gateway
        .apk_index(architecture())
        .await
        .map_err(|source| EcosystemError::from_gateway(&whole, source))?;
    let metadata = |why: String| EcosystemError::Metadata {
        package: whole.clone(),
        why: why.into(),
    };
    let (index, signature) =
        Index::read(&bytes, keys).map_err(|error| metadata(error.to_string()))?;
    if let apa_apk::Signature::Bad(key) = &signature {
        return Err(metadata(format!("its signature by {key} does not fit")));
    }
    let unsigned = Integrity {
        signature,
        control_sha1: None,
        data: Some(true),
        wrong_sums: Vec::new(),
        wrong: 0,
        without_sum: 0,
    };
    let mut anomalies = unsigned.anomalies();
    for anomaly in &mut anomalies {
        anomaly.path = "APKINDEX.tar.gz".into();
    }
    Ok((index, anomalies))
}

/// A published package must be the one that the index describes.
fn check_record(
    package: &Package,
    integrity: &Integrity,
    index: &Index,
) -> Result<(), EcosystemError> {
    let info = &package.info;
    let mut versions = index.versions(&info.name);
    match versions.find(|record| record.version == info.version) {
        Some(record) => check(record, integrity),
        None => Ok(()),
    }
}

fn check(record: &Record, integrity: &Integrity) -> Result<(), EcosystemError> {
    record
        .check(integrity)
        .map_err(|why| EcosystemError::Integrity {
            name: record.filename().into(),
            why,
        })
}

pub(super) async fn fetch(
    gateway: &Gateway,
    record: &Record,
    keys: &Keys,
) -> Result<Companion, EcosystemError> {
    let named = PackageRef {
        ecosystem: Ecosystem::Apk,
        name: record.name.clone(),
        version: Some(record.version.clone()),
    };
    let failed = |source| EcosystemError::from_gateway(&named, source);
    let url = gateway
        .apk_file(architecture(), &record.filename())
        .map_err(failed)?;
    let path = gateway
        .artifact(url.as_str(), &Stated::Unstated)
        .await
        .map_err(failed)?;
    let archive = read(&path, &named)?;
    check(record, &apa_apk::verify(&archive, keys))?;
    let package = Package::read(&archive).ok_or_else(|| EcosystemError::Metadata {
        package: named,
        why: "it is no Alpine package".into(),
    })?;
    Ok(Companion {
        name: record.name.clone(),
        package,
    })
}

fn read(path: &Path, package: &PackageRef) -> Result<Archive, EcosystemError> {
    apa_archive::read(path, &Limits::default()).map_err(|error| EcosystemError::Metadata {
        package: package.clone(),
        why: error.to_string().into(),
    })
}

/// What the root has, in the same form as an index.
fn installed(root: &Path) -> Index {
    let path = host::inside(root, INSTALLED);
    let text = std::fs::read_to_string(root.join(path.trim_start_matches('/')));
    Index::parse(&text.unwrap_or_default())
}

/// The package as what it itself provides.
fn own(package: &Package) -> Record {
    Record {
        name: package.info.name.clone(),
        version: package.info.version.clone(),
        provides: package.info.provides.clone(),
        ..Record::default()
    }
}
