use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, leaves, shown};
use crate::act::ActKind;
use crate::package::Package;

pub(crate) struct CodeMines;

static INFO: RuleInfo = RuleInfo {
    id: "code-mines",
    title: "Code mines coins",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1496"],
    explanation: "A miner is started or a mining pool is named in a command line.",
};

impl Rule for CodeMines {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let mines = package.acts().filter(|act| {
            act.kind == ActKind::Mine || leaves(act) && act.text.contains("stratum+")
        });
        mines
            .map(|act| {
                let clause = format!(
                    "mines coins ({}) {}",
                    shown(&act.text),
                    package.when(act).words()
                );
                let confidence = match package.when(act).by_itself() {
                    true => Confidence::High,
                    false => Confidence::Medium,
                };
                Hit::new(Severity::High, confidence, clause)
                    .with([package.evidence(act, "started here")])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_miner_is_found_and_the_word_alone_is_not() {
        let finding = found(
            "code-mines",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "require('child_process').spawn('./xmrig', ['-o', 'stratum+tcp://pool.test:3333'])",
                ),
            ],
        );
        assert_eq!((finding.severity, line(&finding).1), (Severity::High, 1));
        quiet(
            "code-mines",
            &[("a/__init__.py", "BLOCKED = ['stratum+tcp://', 'xmrig']")],
        );
    }
}
