use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::EcosystemError;
use crate::host::{self, system_program};
use crate::memo::{Key, remember};

/// Configuration files, environment and the built-in default are merged by RubyGems itself.
const QUESTION: &str = "
require 'rubygems'
require 'json'
puts JSON.generate(
  source: Gem.sources.first.uri.to_s, ruby: RUBY_VERSION, rubygems: Gem::VERSION,
  api: RbConfig::CONFIG['ruby_version'], platform: Gem::Platform.local.to_s
)
";

/// What the genuine gem and its interpreter say about themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Client {
    /// Root of the first gem server it installs from.
    pub(super) source: String,
    /// `3.1.2`.
    pub(super) ruby: String,
    /// `3.3.15`.
    pub(super) rubygems: String,
    /// Name of the folder that gems for this interpreter are in: `3.1.0`.
    pub(super) api: String,
    /// `x86_64-linux`.
    pub(super) platform: String,
}

impl Client {
    /// Asks gem, or remembers its answer until its configuration changes; `cache` is a folder for that.
    pub(super) fn ask(cache: Option<&Path>) -> Result<Self, EcosystemError> {
        let failed = |why| EcosystemError::Client { client: "gem", why };
        let answer = remember(state(), cache, || {
            host::output(&system_program("ruby"), &["-e", QUESTION]).map_err(failed)
        })?;
        serde_json::from_str(&answer).map_err(|error| failed(format!("its answer is odd: {error}")))
    }

    /// Whether a gem built for `platform` runs here; libraries with another C library than glibc do not.
    pub(super) fn runs(&self, platform: &str) -> bool {
        let parts = |text: &str| -> Option<(String, String)> {
            let (cpu, system) = text.split_once('-')?;
            let system = system.strip_suffix("-gnu").unwrap_or(system);
            Some((cpu.to_owned(), system.to_owned()))
        };
        parts(platform).is_some_and(|wanted| parts(&self.platform) == Some(wanted))
    }
}

/// Everything the answer depends on.
fn state() -> Key {
    let mut files: Vec<PathBuf> = ["ruby", "gem"]
        .map(system_program)
        .map(PathBuf::from)
        .into();
    files.push("/etc/gemrc".into());
    if let Some(home) = host::home() {
        files.push(home.join(".gemrc"));
        files.push(home.join(".config/gem/gemrc"));
    }
    let variables: Vec<_> = ["GEM", "RUBY", "XDG_CONFIG"]
        .iter()
        .flat_map(|prefix| host::variables(prefix))
        .collect();
    let named = variables.iter().filter(|(name, _)| name == "GEMRC");
    files.extend(
        named
            .flat_map(|(_, value)| value.split([':', ';']))
            .map(PathBuf::from),
    );
    let key = Key::new(QUESTION).variables(&variables);
    files.iter().fold(key, |key, file| key.file(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_of_this_machine_are_told_from_others() {
        let client = Client {
            platform: "x86_64-linux".into(),
            ..Client::default()
        };
        assert!(client.runs("x86_64-linux") && client.runs("x86_64-linux-gnu"));
        for other in [
            "x86_64-linux-musl",
            "aarch64-linux",
            "java",
            "x64-mingw32",
            "x86_64-darwin",
        ] {
            assert!(!client.runs(other), "{other}");
        }
    }

    #[test]
    fn the_genuine_interpreter_tells_its_platform_and_source() {
        match Client::ask(None) {
            Ok(client) => {
                assert!(client.source.starts_with("http") && client.platform.contains('-'))
            }
            Err(error) => eprintln!("SKIPPED: {error}"),
        }
    }
}
