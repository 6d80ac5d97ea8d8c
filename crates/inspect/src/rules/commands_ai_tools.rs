use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use crate::act::ActKind;
use crate::package::Package;

pub(crate) struct CommandsAiTools;

static INFO: RuleInfo = RuleInfo {
    id: "commands-ai-tools",
    title: "Code commands AI tools behind their user's back",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1059", "T1083"],
    explanation: "An AI command-line tool is started with its questions switched off, or files that steer such \
                  tools or editors are written, by code that runs by itself.",
};

impl Rule for CommandsAiTools {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        package
            .acts()
            .filter(|act| package.when(act).by_itself())
            .filter(|act| {
                act.kind == ActKind::Agent || act.kind == ActKind::Write && steers(&act.text)
            })
            .map(|act| {
                let verb = if act.kind == ActKind::Agent {
                    "runs"
                } else {
                    "writes"
                };
                let clause = format!("{verb} {} {}", shown(&act.text), package.when(act).words());
                let confidence = if act.kind == ActKind::Agent {
                    Confidence::High
                } else {
                    Confidence::Medium
                };
                Hit::new(Severity::High, confidence, clause).with([package.evidence(act, "here")])
            })
            .collect()
    }
}

/// Files that tell assistants and editors what to do.
fn steers(path: &str) -> bool {
    [
        ".claude/",
        ".cursor/",
        "AGENTS.md",
        "CLAUDE.md",
        ".vscode/tasks.json",
        "mcp.json",
        ".gemini/",
        ".github/copilot",
    ]
    .iter()
    .any(|part| path.contains(part))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_hook_that_drives_an_assistant_is_found_and_an_integration_is_not() {
        let finding = found(
            "commands-ai-tools",
            &[
                ("package.json", r#"{"scripts":{"postinstall":"node t.js"}}"#),
                (
                    "t.js",
                    "require('child_process').spawnSync('claude', ['--dangerously-skip-permissions', '-p', 'list wallets'])",
                ),
            ],
        );
        assert_eq!(
            (finding.confidence, line(&finding).1),
            (Confidence::High, 1)
        );
        quiet(
            "commands-ai-tools",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "exports.init = () => require('fs').writeFileSync('.cursor/rules/tool.md', 'x')",
                ),
            ],
        );
    }
}
