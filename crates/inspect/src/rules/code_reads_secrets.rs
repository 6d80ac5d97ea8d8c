use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, carried};
use crate::act::ActKind;
use crate::flow::Source;
use crate::package::{Package, When};

pub(crate) struct CodeReadsSecrets;

static INFO: RuleInfo = RuleInfo {
    id: "code-reads-secrets",
    title: "Code reads secrets by itself",
    severity: Severity::High,
    confidence: Confidence::Medium,
    attack: &["T1552.001"],
    explanation: "Files that hold credentials are read at installation or import, and nothing tells where they go. \
                  Programs that need them read them when they are called.",
};

impl Rule for CodeReadsSecrets {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        package
            .acts()
            .filter(|act| act.kind == ActKind::Read && package.when(act).by_itself())
            .filter(|act| {
                !act.taints.of(Source::Secret).all(|taint| {
                    taint.detail.starts_with("a project's secrets")
                        || taint.detail.starts_with("the accounts")
                })
            })
            .map(|act| {
                let clause = format!(
                    "reads {} {}",
                    carried(act, &[Source::Secret, Source::HomeFile]),
                    package.when(act).words()
                );
                let severity = match package.when(act) {
                    When::Install | When::Start => (Severity::High, Confidence::Medium),
                    _ => (Severity::Low, Confidence::Medium),
                };
                Hit::new(severity.0, severity.1, clause).with([package.evidence(act, "read here")])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};

    #[test]
    fn a_hook_that_reads_keys_is_found_and_a_client_is_not() {
        let finding = found(
            "code-reads-secrets",
            &[(
                "setup.py",
                "import os\nkeys = open(os.path.expanduser('~/.aws/credentials')).read()",
            )],
        );
        assert_eq!(line(&finding).1, 2);
        quiet(
            "code-reads-secrets",
            &[(
                "a/__init__.py",
                "import os\ndef load():\n    return open(os.path.expanduser('~/.aws/credentials')).read()",
            )],
        );
    }
}
