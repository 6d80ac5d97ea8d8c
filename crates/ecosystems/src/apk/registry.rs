use std::fs;

use apa_model::Ecosystem;

use crate::{EcosystemError, RegistryOverrides, release};

/// Where `apk` on this machine is told its repositories.
const REPOSITORIES: &str = "/etc/apk/repositories";

/// The first repository of the configuration: `http://mirror/alpine/v3.22/main`, below which the architecture's
/// folder lies.
pub(super) fn registry(overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
    if let Some(address) = overrides.addresses.get(&Ecosystem::Apk) {
        return release::check_address(address.clone());
    }
    let lines = fs::read_to_string(REPOSITORIES).map_err(|error| EcosystemError::Client {
        client: "apk",
        why: format!("{REPOSITORIES}: {error}"),
    })?;
    let first = first(&lines).ok_or_else(|| EcosystemError::Client {
        client: "apk",
        why: format!("{REPOSITORIES} names no repository with an address"),
    })?;
    release::check_address(first)
}

/// The first line that is an address; `@tag` may stand before it.
fn first(lines: &str) -> Option<String> {
    let lines = lines.lines().map(str::trim);
    let words = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            line.split_ascii_whitespace()
                .find(|word| !word.starts_with('@'))
        });
    words
        .filter(|word| word.starts_with("http"))
        .map(str::to_owned)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_with_an_address_counts() {
        let lines = "# comment\n/media/cdrom/apks\n@edge http://mirror.test/edge/main\nhttps://mirror.test/main\n";
        assert_eq!(
            first(lines).as_deref(),
            Some("http://mirror.test/edge/main")
        );
        assert_eq!(first("#http://mirror.test/\n"), None);
    }
}
