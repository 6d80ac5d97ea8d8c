use std::path::{Path, PathBuf};

use crate::EcosystemError;
use crate::host::{self, system_program};
use crate::memo::{Key, remember};

/// The genuine interpreter's version.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// `8.2.36`.
    pub(super) php: String,
}

impl Client {
    /// Asks php, or remembers its answer until it is exchanged.
    pub(super) fn ask() -> Result<Self, EcosystemError> {
        let php = system_program("php");
        let key = Key::new("php version").file(Path::new(&php));
        let arguments = ["-n", "-r", "echo PHP_VERSION;"];
        let php = remember(key, None, || host::output(&php, &arguments))
            .map_err(|why| EcosystemError::Client { client: "php", why })?;
        Ok(Self { php })
    }
}

/// The repository that Composer is set to install from, remembered until its configuration changes.
pub(super) fn repository(cache: Option<&Path>) -> Result<String, EcosystemError> {
    let failed = |why| EcosystemError::Client {
        client: "composer",
        why,
    };
    let composer = system_program("composer");
    let arguments = [
        "config",
        "--global",
        "--list",
        "--no-plugins",
        "--no-interaction",
    ];
    let answer = remember(state(), cache, || {
        host::output(&composer, &arguments)
            .map(|listed| first_repository(&listed).unwrap_or_default())
    });
    match answer.map_err(failed)? {
        none if none.is_empty() => Err(failed("it names no repository".to_owned())),
        address => Ok(address),
    }
}

/// The first repository of Composer's own kind: `[repositories.NAME.type] composer`, then its `url`.
fn first_repository(listed: &str) -> Option<String> {
    let mut names = listed.lines().filter_map(|line| {
        let (key, kind) = line.strip_prefix("[repositories.")?.split_once("] ")?;
        (kind.trim() == "composer").then_some(key.strip_suffix(".type")?)
    });
    let name = names.next()?;
    let start = format!("[repositories.{name}.url] ");
    let mut lines = listed.lines();
    lines.find_map(|line| line.strip_prefix(&start).map(|url| url.trim().to_owned()))
}

/// Everything Composer's answer depends on.
fn state() -> Key {
    let mut files: Vec<PathBuf> = ["php", "composer"]
        .map(system_program)
        .map(PathBuf::from)
        .into();
    if let Some(home) = host::home() {
        files.push(home.join(".config/composer/config.json"));
        files.push(home.join(".composer/config.json"));
    }
    let variables: Vec<_> = ["COMPOSER", "XDG_CONFIG", "HOME"]
        .iter()
        .flat_map(|prefix| host::variables(prefix))
        .collect();
    let homes = variables.iter().filter(|(name, _)| name == "COMPOSER_HOME");
    files.extend(homes.map(|(_, value)| PathBuf::from(value).join("config.json")));
    let key = Key::new("composer repository").variables(&variables);
    files.iter().fold(key, |key, file| key.file(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_repository_of_composers_own_kind_counts() {
        let listed = "[repositories.own.type] vcs\n[repositories.own.url] https://git.test/x\n\
                      [repositories.mirror.type] composer\n[repositories.mirror.url] https://mirror.test/php\n\
                      [process-timeout] 300\n";
        assert_eq!(
            first_repository(listed).as_deref(),
            Some("https://mirror.test/php")
        );
        assert_eq!(first_repository("[process-timeout] 300\n"), None);
    }
}
