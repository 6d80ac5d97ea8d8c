use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use crate::act::ActKind;
use crate::package::Package;

pub(crate) struct CodePublishes;

static INFO: RuleInfo = RuleInfo {
    id: "code-publishes",
    title: "Code publishes packages by itself",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1195.001", "T1080"],
    explanation: "A package is published to a registry by code that runs at installation or import: how worms \
                  spread. Release tools publish when they are called, and build scripts that look at their arguments when they are told to.",
};

impl Rule for CodePublishes {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let publishes = package
            .acts()
            .filter(|act| act.kind == ActKind::Publish && package.when(act).by_itself());
        publishes
            .filter(|act| {
                // `python setup.py publish` is how releases were made for years.
                let path = package.place(act.file, act.line).0;
                !package.files.iter().any(|file| {
                    file.path == path && String::from_utf8_lossy(&file.bytes).contains("sys.argv")
                })
            })
            .map(|act| {
                let clause = format!(
                    "publishes a package ({}) {}",
                    shown(&act.text),
                    package.when(act).words()
                );
                Hit::new(Severity::High, Confidence::High, clause)
                    .with([package.evidence(act, "published here")])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_hook_that_publishes_is_found_and_a_release_script_is_not() {
        let finding = found(
            "code-publishes",
            &[
                ("package.json", r#"{"scripts":{"postinstall":"node b.js"}}"#),
                (
                    "b.js",
                    "require('child_process').execSync('npm publish --access public', {stdio:'ignore'})",
                ),
            ],
        );
        assert_eq!((finding.severity, line(&finding).1), (Severity::High, 1));
        quiet(
            "code-publishes",
            &[
                ("package.json", r#"{"scripts":{"release":"node b.js"}}"#),
                ("b.js", "require('child_process').execSync('npm publish')"),
            ],
        );
    }

    #[test]
    fn a_build_script_that_publishes_when_told_is_no_alarm() {
        let code =
            "import os, sys\nif sys.argv[-1] == 'publish':\n    os.system('twine upload dist/*')";
        quiet("code-publishes", &[("setup.py", code)]);
    }
}
