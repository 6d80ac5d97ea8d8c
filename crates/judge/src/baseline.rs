use std::collections::BTreeSet;

use apa_model::Fact;
use serde::{Deserialize, Serialize};

use crate::normalise::RANDOM;

/// What an empty package of the same shape does on the same image: the noise of managers, interpreters
/// and our own harness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline(pub BTreeSet<Fact>);

impl Baseline {
    /// Whether an empty package does the same. Facts are compared whole, never by pattern. Where a fact
    /// could carry an attack (a program, a peer, a write outside the folders every package writes
    /// to), one with a part that normalisation made anonymous explains nothing: a payload could bear
    /// the name of a cache entry.
    pub fn explains(&self, fact: &Fact) -> bool {
        self.0.contains(fact) && !(is_guarded(fact) && has_random(fact))
    }
}

fn has_random(fact: &Fact) -> bool {
    fact.object.lossy().contains(RANDOM)
}

fn is_guarded(fact: &Fact) -> bool {
    match fact.action.as_str() {
        "file.read" | "file.stat" | "file.readlink" | "file.list" => false,
        action if action.starts_with("file.") => {
            let object = fact.object.lossy();
            !["<tmp>/", "<package>/", "<project>/"]
                .iter()
                .any(|own| object.starts_with(own))
        }
        _ => true,
    }
}

impl FromIterator<Fact> for Baseline {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        Self(facts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use apa_model::{Owner, Phase};

    use super::*;

    fn fact(action: &str, object: &str) -> Fact {
        Fact {
            phase: Phase::Install,
            owner: Owner::Package,
            action: action.into(),
            object: object.into(),
            outcome: "ok".into(),
        }
    }

    fn explains(action: &str, object: &str) -> bool {
        let fact = fact(action, object);
        Baseline::from_iter([fact.clone()]).explains(&fact)
    }

    #[test]
    fn equal_facts_are_explained() {
        assert!(explains("exec", "/usr/bin/node <project>/hook.js"));
        assert!(explains("file.read", "<home>/.cache/<random>"));
        assert!(explains("file.write", "<tmp>/<random>"));
    }

    #[test]
    fn anonymous_programs_peers_and_writes_are_never_explained() {
        assert!(!explains("exec", "<tmp>/<random>"));
        assert!(!explains("http", "GET https://a.test/<random>"));
        assert!(!explains("file.write", "<home>/.cache/<random>"));
    }

    #[test]
    fn similar_facts_are_not_explained() {
        let baseline = Baseline::from_iter([fact("exec", "/usr/bin/node a.js")]);
        assert!(!baseline.explains(&fact("exec", "/usr/bin/node b.js")));
    }
}
