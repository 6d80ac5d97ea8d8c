use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use crate::act::ActKind;
use crate::package::{Package, When};

pub(crate) struct CodeRunsHiddenProgram;

static INFO: RuleInfo = RuleInfo {
    id: "code-runs-hidden-program",
    title: "Code starts a program out of sight",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1059.001", "T1218", "T1564.003"],
    explanation: "Encoded or hidden PowerShell, tools of the system that run remote code (mshta, regsvr32), a \
                  security tool that is stopped; and an interpreter that is started detached and silent with code \
                  of its own, at installation.",
};

impl Rule for CodeRunsHiddenProgram {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let mut hits = Vec::new();
        for act in package.acts() {
            let when = package.when(act);
            let (severity, confidence, words) = match (act.kind, when.by_itself()) {
                (ActKind::Lolbin, true) => (Severity::High, Confidence::High, "runs hidden code"),
                (ActKind::Disarm, true) => {
                    (Severity::High, Confidence::High, "switches protection off")
                }
                (ActKind::Lolbin, false) => {
                    (Severity::Low, Confidence::Medium, "can run hidden code")
                }
                (ActKind::Disarm, false) => (
                    Severity::Low,
                    Confidence::Medium,
                    "can switch protection off",
                ),
                (ActKind::Spawn, true)
                    if when >= When::Start && act.silent && is_interpreter(&act.text) =>
                {
                    (
                        Severity::Medium,
                        Confidence::Medium,
                        "starts an interpreter out of sight",
                    )
                }
                _ => continue,
            };
            let clause = format!("{words} ({}) {}", shown(&act.text), when.words());
            hits.push(
                Hit::new(severity, confidence, clause)
                    .with([package.evidence(act, "started here")]),
            );
        }
        hits
    }
}

/// An interpreter with code or a file to run, not a question about its version.
fn is_interpreter(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let asks =
        command.contains("--version") || command.contains("-V") || command.contains(" -m pip");
    crate::lang::shell::interpreter(program).is_some() && !asks && words.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn hidden_programs_are_found_and_builds_are_not() {
        let finding = found(
            "code-runs-hidden-program",
            &[(
                "setup.py",
                "import os\nos.system('powershell -WindowStyle Hidden -EncodedCommand SQBFAFgA')",
            )],
        );
        assert_eq!((finding.severity, line(&finding).1), (Severity::High, 2));
        quiet(
            "code-runs-hidden-program",
            &[(
                "setup.py",
                "import subprocess\nsubprocess.check_call(['cmake', '--build', '.'], stdout=subprocess.DEVNULL)",
            )],
        );
    }
}
