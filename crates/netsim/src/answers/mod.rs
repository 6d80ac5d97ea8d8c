//! Which answer a request gets: rules that are data, in order, then what suits the path.
//!
//! A file of rules is TOML: `[[rule]]` tables with what a request must have and a `[rule.reply]`, `[[secret]]` tables for
//! credentials that are served, and `[[rule.test]]` examples. The files in `rules/fakes` are compiled in.

mod ask;
mod elf;
mod escape;
mod examples;
mod fitting;
mod form;
mod git;
mod pattern;
mod publish;
mod reply;
mod rule;
mod secret;
mod seed;
mod stub;
mod template;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apa_model::{Canary, NetworkMode};
use serde::Deserialize;

use rule::{Rule, RuleSpec};
use secret::{Secret, SecretSpec};
use seed::Seed;
use template::Filling;

pub use ask::Ask;
pub(crate) use ask::bare_host;
pub use examples::{Tried, try_examples};
pub(crate) use fitting::{EVENT_STREAM, fitting, reason, sample_file};
pub use publish::{PUBLISH_LAYER, Published, published};
pub(crate) use reply::Act;
pub use reply::Answer;
pub use stub::STAGE_TWO_MARKER;

/// The files of `rules/fakes`, by name.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/fakes.rs"));
/// What the persona's network looks like from outside.
const PERSONA: &str = include_str!("../../../../rules/network-persona.toml");
/// What other simulators answer, for those who come from there.
const INETSIM: (&str, &str) = (
    "inetsim.toml",
    include_str!("../../../../rules/compat/inetsim.toml"),
);
const FAKENET: (&str, &str) = (
    "fakenet.toml",
    include_str!("../../../../rules/compat/fakenet.toml"),
);
/// Longest file of rules, bytes.
const LONGEST_FILE: u64 = 4 << 20;
/// Files of rules in one folder.
const MOST_FILES: usize = 1000;

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A file or folder cannot be read.
    #[error("cannot read the rules in {path}; give a .toml file or a folder of them")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no rules.
    #[error("{file}: {problem}")]
    Malformed {
        /// Which.
        file: String,
        /// Where and what, in words.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What is imitated, for people.
    #[serde(rename = "title")]
    _title: String,
    #[serde(default)]
    secret: Vec<SecretSpec>,
    #[serde(default)]
    rule: Vec<RuleSpec>,
}

/// Rules with where they come from.
struct Source {
    name: String,
    folder: Option<PathBuf>,
    text: String,
}

impl Source {
    fn embedded((name, text): &(&str, &str)) -> Self {
        Self {
            name: (*name).to_owned(),
            folder: None,
            text: (*text).to_owned(),
        }
    }
}

/// All rules of a simulation, in order.
pub struct Rules {
    rules: Vec<(Rule, Option<Arc<Path>>)>,
    secrets: Vec<Secret>,
    persona: toml::Table,
    seed: Seed,
}

impl Rules {
    /// The rules that are compiled in for a mode of the network.
    ///
    /// `unique` makes what is served (tokens, credentials) different in every run.
    ///
    /// # Errors
    /// Never, for files that the tests have passed.
    pub fn embedded(unique: &[u8], mode: NetworkMode) -> Result<Self, RulesError> {
        Self::with(unique, &[], None, mode)
    }

    /// The rules of `first` (files and folders, in this order), before those compiled in for a mode of the network, or
    /// before those in `fakes` in their place.
    ///
    /// # Errors
    /// When something cannot be read, or is no rule: with its file, its id and what is wrong.
    pub fn with(
        unique: &[u8],
        first: &[PathBuf],
        fakes: Option<&Path>,
        mode: NetworkMode,
    ) -> Result<Self, RulesError> {
        let mut sources = Vec::new();
        for path in first {
            sources.extend(read(path)?);
        }
        match (fakes, mode) {
            (Some(path), _) => sources.extend(read(path)?),
            (None, NetworkMode::CompatInetsim) => sources.push(Source::embedded(&INETSIM)),
            (None, NetworkMode::CompatFakenet) => sources.push(Source::embedded(&FAKENET)),
            (None, _) => sources.extend(EMBEDDED.iter().map(Source::embedded)),
        }
        Self::compile(unique, &sources)
    }

    fn compile(unique: &[u8], sources: &[Source]) -> Result<Self, RulesError> {
        let mut rules = Self {
            rules: Vec::new(),
            secrets: Vec::new(),
            persona: toml::from_str(PERSONA).map_err(|error| RulesError::Malformed {
                file: "network-persona.toml".to_owned(),
                problem: error.to_string(),
            })?,
            seed: Seed::new(unique),
        };
        for source in sources {
            rules.add(source).map_err(|problem| RulesError::Malformed {
                file: source.name.clone(),
                problem,
            })?;
        }
        Ok(rules)
    }

    fn add(&mut self, source: &Source) -> Result<(), String> {
        let file: File = toml::from_str(&source.text).map_err(|error| error.to_string())?;
        for spec in &file.secret {
            self.secrets.push(Secret::make(spec, &self.seed)?);
        }
        let folder: Option<Arc<Path>> = source.folder.as_deref().map(Arc::from);
        let mut ids: BTreeSet<String> =
            self.rules.iter().map(|(rule, _)| rule.id.clone()).collect();
        for spec in &file.rule {
            let rule =
                Rule::compile(spec).map_err(|problem| format!("rule `{}`: {problem}", spec.id))?;
            self.check(&rule)
                .map_err(|problem| format!("rule `{}`: {problem}", spec.id))?;
            if !ids.insert(rule.id.clone()) {
                return Err(format!("there are two rules `{}`", spec.id));
            }
            self.rules.push((rule, folder.clone()));
        }
        Ok(())
    }

    /// Whether everything that the rule's reply needs is there.
    fn check(&self, rule: &Rule) -> Result<(), String> {
        for (kind, name) in rule.reply.needs() {
            let known = match kind {
                "secret" => self.secret(name).is_some(),
                "persona" => self.persona(name).is_some(),
                _ => true,
            };
            if !known {
                return Err(format!("there is no {kind} called `{name}`"));
            }
        }
        Ok(())
    }

    /// The baits that may be handed out.
    pub fn canaries(&self) -> Vec<Canary> {
        self.secrets
            .iter()
            .filter_map(|secret| secret.canary.clone())
            .collect()
    }

    /// Whether a bait that was handed out is seen where it belongs: a cloud's key at that cloud.
    pub(crate) fn is_at_home(&self, canary: &str, hosts: &[String]) -> bool {
        let mut secrets = self.secrets.iter();
        secrets.any(|secret| secret.is(canary) && secret.is_at_home(hosts))
    }

    /// The names of the baits among these secrets.
    pub(crate) fn baits<'a>(&'a self, secrets: &'a [String]) -> impl Iterator<Item = &'a str> {
        secrets.iter().filter_map(|name| {
            let secret = self.secrets.iter().find(|secret| secret.name == *name)?;
            secret.canary.as_ref().map(|canary| canary.id.as_str())
        })
    }

    /// The first rule's answer; `None` when no rule takes the request.
    pub fn answer(&self, ask: &Ask<'_>, clock: crate::Clock) -> Option<Answer> {
        for (rule, folder) in &self.rules {
            let Some((captures, hit)) = rule.takes(ask) else {
                continue;
            };
            if rule.reply.act == Act::Pass {
                continue;
            }
            let filling = Filling {
                ask,
                captures: &captures,
                seed: &self.seed,
                persona: &|name| self.persona(name),
                secret: &|name| self.secret(name),
                clock,
                hit,
                rule: &rule.id,
            };
            return Some(rule.reply.fill(&filling, folder.as_deref()));
        }
        None
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn persona(&self, name: &str) -> Option<String> {
        self.persona.get(name).map(|value| match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    fn secret(&self, name: &str) -> Option<String> {
        let secret = self.secrets.iter().find(|secret| secret.name == name)?;
        Some(secret.value.clone())
    }
}

/// An address as rules name it.
pub(crate) fn address(ip: std::net::IpAddr) -> String {
    ip.to_canonical().to_string()
}

/// A file, or the `.toml` files of a folder by name.
fn read(path: &Path) -> Result<Vec<Source>, RulesError> {
    let unreadable = |source| RulesError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path)
            .map_err(unreadable)?
            .take(MOST_FILES)
        {
            let file = entry.map_err(unreadable)?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let mut sources = Vec::new();
    for file in files {
        let length = std::fs::metadata(&file).map_err(unreadable)?.len();
        if length > LONGEST_FILE {
            return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
        }
        sources.push(Source {
            name: file.display().to_string(),
            folder: file.parent().map(Path::to_owned),
            text: std::fs::read_to_string(&file).map_err(unreadable)?,
        });
    }
    Ok(sources)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
