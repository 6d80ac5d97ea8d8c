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
    explanation: "Files that hold credentials are read at installation, or whenever the interpreter starts, and nothing tells \
                  where they go. Clients read them when they are imported or called.",
};

impl Rule for CodeReadsSecrets {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        package
            .acts()
            .filter(|act| act.kind == ActKind::Read && package.when(act) >= When::Start)
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
                Hit::new(Severity::High, Confidence::Medium, clause)
                    .with([package.evidence(act, "read here")])
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
