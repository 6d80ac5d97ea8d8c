use std::collections::BTreeSet;

use apa_model::{Fact, Hostile, Owner};
use serde::{Deserialize, Serialize};

use crate::normalise::RANDOM;

/// What an empty package of the same shape does on the same image: the noise of managers, interpreters
/// and our own harness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline(pub BTreeSet<Fact>);

impl Baseline {
    /// Whether an empty package does the same in the same phase. Facts are compared whole, never by pattern.
    /// Where a fact could carry an attack (a program, a peer, a write outside the folders every package
    /// writes to), one with a part that normalisation made anonymous explains nothing: a payload could
    /// bear the name of a cache entry.
    pub fn explains(&self, fact: &Fact) -> bool {
        self.0.contains(fact) && !(is_guarded(fact) && has_random(fact))
    }
}

/// A baseline made ready for many questions.
pub(crate) struct Subtraction<'b> {
    baseline: &'b Baseline,
    runtime: BTreeSet<(&'b Owner, &'b str, &'b Hostile, &'b str)>,
}

impl<'b> Subtraction<'b> {
    pub(crate) fn new(baseline: &'b Baseline) -> Self {
        let facts = baseline.0.iter().filter(|fact| is_runtime_noise(fact));
        Self {
            baseline,
            runtime: facts.map(without_phase).collect(),
        }
    }

    /// As [`Baseline::explains`]; what runtimes do by themselves at every start is explained in every phase, so
    /// that a hook run by the same interpreter is not blamed for it.
    pub(crate) fn explains(&self, fact: &Fact) -> bool {
        // A dependency's code runs in the same programs as an empty package's.
        let as_package = match fact.owner {
            Owner::Dependency(_) => Some(Fact {
                owner: Owner::Package,
                ..fact.clone()
            }),
            _ => None,
        };
        std::iter::once(fact)
            .chain(&as_package)
            .any(|fact| self.explains_as_it_is(fact))
    }

    fn explains_as_it_is(&self, fact: &Fact) -> bool {
        self.baseline.explains(fact)
            || (is_runtime_noise(fact) && self.runtime.contains(&without_phase(fact)))
    }
}

fn without_phase(fact: &Fact) -> (&Owner, &str, &Hostile, &str) {
    (&fact.owner, &fact.action, &fact.object, &fact.outcome)
}

fn is_runtime_noise(fact: &Fact) -> bool {
    matches!(
        fact.action.as_str(),
        "file.read" | "file.stat" | "file.readlink" | "refused" | "memory.executable"
    )
}

fn has_random(fact: &Fact) -> bool {
    fact.object.lossy().contains(RANDOM)
}

fn is_guarded(fact: &Fact) -> bool {
    match fact.action.as_str() {
        "file.read" | "file.stat" | "file.readlink" => false,
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
    use apa_model::Phase;

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
    fn a_runtimes_habits_are_explained_in_every_phase_and_programs_are_not() {
        let in_import = |action, object| Fact {
            phase: Phase::Import,
            ..fact(action, object)
        };
        let baseline = Baseline::from_iter([
            in_import("file.read", "/proc/meminfo"),
            in_import("exec", "/usr/bin/id"),
        ]);
        let subtraction = Subtraction::new(&baseline);
        assert!(subtraction.explains(&fact("file.read", "/proc/meminfo")));
        assert!(!subtraction.explains(&fact("file.read", "/proc/version")));
        assert!(!subtraction.explains(&fact("exec", "/usr/bin/id")));
    }

    #[test]
    fn similar_facts_are_not_explained() {
        let baseline = Baseline::from_iter([fact("exec", "/usr/bin/node a.js")]);
        assert!(!baseline.explains(&fact("exec", "/usr/bin/node b.js")));
    }
}
