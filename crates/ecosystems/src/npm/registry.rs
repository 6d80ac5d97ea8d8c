use std::path::PathBuf;

use apa_model::Ecosystem;

use crate::memo::{Key, remember};
use crate::{EcosystemError, RegistryOverrides, host, release};

/// What npm says, remembered until its configuration changes.
pub(super) fn registry(overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
    let address = match overrides.addresses.get(&Ecosystem::Npm) {
        Some(address) => address.clone(),
        None => remember(state(), overrides.cache_dir.as_deref(), || {
            host::output("npm", &["config", "get", "registry"])
                .map(|answer| answer.trim().to_owned())
                .map_err(|why| EcosystemError::Client { client: "npm", why })
        })?,
    };
    release::check_address(address)
}

/// Everything npm's answer depends on: its variables, and its configuration files by time of change.
fn state() -> Key {
    let mut files: Vec<PathBuf> = ["/usr/etc/npmrc", "/usr/local/etc/npmrc", "/etc/npmrc"]
        .iter()
        .chain(&[
            "/usr/lib/node_modules/npm/npmrc",
            "/usr/bin/npm",
            "/usr/local/bin/npm",
        ])
        .map(PathBuf::from)
        .collect();
    files.extend(host::home().map(|home| home.join(".npmrc")));
    let variables = host::variables("npm_config_");
    files.extend(
        variables
            .iter()
            .filter(|(name, _)| name.to_ascii_lowercase().ends_with("config"))
            .map(|(_, value)| PathBuf::from(value)),
    );
    let key = Key::new("npm registry")
        .variables(&variables)
        .text(&host::variable("PATH").unwrap_or_default());
    files.iter().fold(key, |key, file| key.file(file))
}
