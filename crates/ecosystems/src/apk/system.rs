use std::path::Path;

use apa_apk::{Dependency, Package, resolve};
use apa_gateway::Gateway;

use super::companions;
use crate::{EcosystemError, host};

/// What makes a small system, in order of preference: the first of which a repository has all.
const BASES: [&[&str]; 4] = [
    &["wolfi-base"],
    &["alpine-base"],
    &["wolfi-baselayout", "busybox"],
    &["alpine-baselayout", "busybox"],
];

/// A small system of a repository's own packages.
pub struct System {
    /// Each after what it needs.
    pub packages: Vec<Package>,
    /// Names and texts of the keys that it trusts.
    pub keys: Vec<(String, String)>,
}

/// The smallest system that the repository makes; `None` when no repository is set, or it has none of the packages that
/// make one.
///
/// # Errors
/// When the repository does not answer, or gives packages that its index does not describe.
pub async fn system(
    gateway: &Gateway,
    keys_dir: Option<&Path>,
) -> Result<Option<System>, EcosystemError> {
    let keys = companions::keys(Path::new("/"), keys_dir)?;
    let index = match companions::index(gateway, &keys).await {
        Ok((index, _)) => index,
        Err(EcosystemError::Registry { source, .. }) if source.is_unconfigured() => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let there = |name: &&str| index.versions(name).next().is_some();
    let Some(base) = BASES
        .iter()
        .find(|base| base.iter().all(|name| there(&name)))
    else {
        return Ok(None);
    };
    let wanted: Vec<_> = base
        .iter()
        .filter_map(|name| Dependency::parse(name))
        .collect();
    let found = resolve(&index, &wanted, &|_| false);
    let mut packages = Vec::new();
    for record in &found.packages {
        packages.push(companions::fetch(gateway, record, &keys).await?.package);
    }
    let keys = keys_dir.map(|folder| host::texts(folder, ".pub"));
    Ok(Some(System {
        packages,
        keys: keys.unwrap_or_default(),
    }))
}
