//! Credentials that are served: baits of this run.

use apa_model::{Canary, CanaryKind};
use serde::Deserialize;

use super::pattern::Pattern;
use super::rule::Several;
use super::seed::Seed;

/// As it stands in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretSpec {
    name: String,
    /// `ASIA{base32:16}`.
    shape: String,
    /// Where it is handed out, for people: `169.254.169.254/latest/meta-data`. Without it the value is no bait: the
    /// name of an access key stands in every signed request.
    bait: Option<String>,
    /// Hosts at which using it is what it is for.
    #[serde(default)]
    home: Several,
}

/// A value of this run.
#[derive(Debug)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) canary: Option<Canary>,
    home: Vec<Pattern>,
}

impl Secret {
    pub(crate) fn make(spec: &SecretSpec, seed: &Seed) -> Result<Self, String> {
        let problem = |problem: String| format!("secret `{}`: {problem}", spec.name);
        let value = seed.shape(&spec.name, &spec.shape).map_err(problem)?;
        if spec.bait.is_some() && value.len() < 16 {
            return Err(problem("a bait has at least 16 characters".to_owned()));
        }
        let home = spec.home.as_slice().iter().map(|host| Pattern::parse(host));
        Ok(Self {
            home: home.collect::<Result<_, _>>().map_err(problem)?,
            canary: spec.bait.as_ref().map(|place| Canary {
                id: spec.name.clone(),
                kind: CanaryKind::Served,
                planted_at: format!("served:{place}"),
                secrets: vec![value.clone()],
            }),
            name: spec.name.clone(),
            value,
        })
    }

    pub(crate) fn is(&self, canary: &str) -> bool {
        self.canary.as_ref().is_some_and(|known| known.id == canary)
    }

    pub(crate) fn is_at_home(&self, hosts: &[String]) -> bool {
        let mut home = self.home.iter();
        home.any(|home| hosts.iter().any(|host| home.fits(host).is_some()))
    }
}
