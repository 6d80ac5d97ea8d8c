use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use crate::act::ActKind;
use crate::flow::Source;
use crate::package::Package;

pub(crate) struct CodeDestroysFiles;

static INFO: RuleInfo = RuleInfo {
    id: "code-destroys-files",
    title: "Code deletes what is not its own",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1485"],
    explanation: "The home folder, the root or everything at hand is deleted by code that runs by itself.",
};

impl Rule for CodeDestroysFiles {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let deletes = package
            .acts()
            .filter(|act| act.kind == ActKind::Delete && package.when(act).by_itself());
        deletes
            .filter(|act| is_everything(&act.text) || act.taints.has(Source::HomeFile))
            .map(|act| {
                let clause = format!("deletes {} {}", shown(&act.text), package.when(act).words());
                Hit::new(Severity::High, Confidence::High, clause)
                    .with([package.evidence(act, "deleted here")])
            })
            .collect()
    }
}

/// Roots and home folders, with nothing below them.
fn is_everything(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let word = word.trim_matches(['"', '\'']);
        matches!(
            word,
            "/" | "~"
                | "~/"
                | "~/*"
                | "/*"
                | "$HOME"
                | "$HOME/"
                | "$HOME/*"
                | "C:\\"
                | "%USERPROFILE%"
                | "/home"
                | "/Users"
                | "--no-preserve-root"
        ) || word.starts_with("of=/dev/sd")
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};

    #[test]
    fn deleting_the_home_folder_is_found_and_cleaning_up_is_not() {
        let finding = found(
            "code-destroys-files",
            &[(
                "setup.py",
                "import shutil, os\nshutil.rmtree(os.path.expanduser('~'))",
            )],
        );
        assert_eq!(line(&finding).1, 2);
        found(
            "code-destroys-files",
            &[("package.json", r#"{"scripts":{"install":"rm -rf ~/"}}"#)],
        );
        quiet(
            "code-destroys-files",
            &[(
                "setup.py",
                "import shutil, os\nshutil.rmtree('build')\nos.system('rm -rf dist')\nshutil.rmtree(os.path.expanduser('~/.cache/tool'))",
            )],
        );
    }
}
