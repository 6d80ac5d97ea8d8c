//! `apa.toml`, the environment and the defaults: the one place that reads any of them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use apa_ecosystems::RegistryOverrides;
use apa_model::{Ecosystem, NetworkMode, Persona};
use serde::Deserialize;

use crate::args::{FailOn, Places};

/// What `apa.toml` may hold; anything else in it is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) fail_on: Option<FailOn>,
    pub(crate) persona: Option<Persona>,
    pub(crate) network: Option<NetworkMode>,
    pub(crate) image: Option<String>,
    pub(crate) offline: Option<bool>,
    /// Registries that replace those of the package managers' own configuration.
    #[serde(default)]
    pub(crate) registry: BTreeMap<Ecosystem, String>,
}

impl File {
    /// Reads the nearest `apa.toml` from `start` upward; none is none.
    pub(crate) fn find(start: &Path) -> anyhow::Result<Self> {
        for folder in start.ancestors() {
            let path = folder.join("apa.toml");
            match fs::read_to_string(&path) {
                Ok(text) => {
                    return toml::from_str(&text).with_context(|| {
                        format!(
                            "{} is not a valid configuration; correct it",
                            path.display()
                        )
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot read {}", path.display()));
                }
            }
        }
        Ok(Self::default())
    }

    /// The nearest one from the current folder upward.
    pub(crate) fn here() -> anyhow::Result<Self> {
        Self::find(
            &env::current_dir().context("the current folder is gone; change to another one")?,
        )
    }

    /// The engine's configuration: flags and environment (`places`) win over this file.
    pub(crate) fn engine(&self, places: &Places) -> anyhow::Result<apa_engine::Config> {
        let data_dir = match places.data_dir.as_ref().or(self.data_dir.as_ref()) {
            Some(folder) => folder.clone(),
            None => user_folder("XDG_DATA_HOME", ".local/share")?,
        };
        let cache_dir = match places.cache_dir.as_ref().or(self.cache_dir.as_ref()) {
            Some(folder) => folder.clone(),
            None => user_folder("XDG_CACHE_HOME", ".cache")?,
        };
        let mut addresses = self.registry.clone();
        addresses.extend(places.registry.iter().cloned());
        let registries = RegistryOverrides {
            addresses,
            cache_dir: Some(cache_dir.clone()),
        };
        Ok(apa_engine::Config {
            data_dir,
            cache_dir,
            registries,
            keys: places.keys.clone(),
        })
    }
}

fn user_folder(variable: &str, below_home: &str) -> anyhow::Result<PathBuf> {
    if let Some(folder) = env::var_os(variable)
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
    {
        return Ok(folder.join("apa"));
    }
    match env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())
    {
        Some(home) => Ok(home.join(below_home).join("apa")),
        None => bail!("neither {variable} nor HOME is set; give --data-dir and --cache-dir"),
    }
}

/// Whether the user asked for no colour.
pub(crate) fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Columns of the terminal as the environment says; 100 if it does not.
pub(crate) fn columns() -> usize {
    let columns = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns.unwrap_or(100).clamp(60, 200)
}

/// Whether the terminal is set up for UTF-8.
pub(crate) fn utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_upward_is_read_and_unknown_keys_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::write(
            folder.path().join("apa.toml"),
            "offline = true\n[registry]\nnpm = \"http://npm.example/\"\n",
        )
        .unwrap();
        let file = File::find(&below).unwrap();
        assert_eq!(
            (file.offline, file.registry.get(&Ecosystem::Npm)),
            (Some(true), Some(&"http://npm.example/".to_owned()))
        );
        fs::write(below.join("apa.toml"), "offlin = true\n").unwrap();
        let error = format!("{:#}", File::find(&below).unwrap_err());
        assert!(
            error.contains("apa.toml is not a valid configuration") && error.contains("offlin"),
            "{error}"
        );
    }
}
