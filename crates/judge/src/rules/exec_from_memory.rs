use apa_model::{Confidence, EventKind, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::view::View;

pub(crate) struct ExecFromMemory;

static INFO: RuleInfo = RuleInfo {
    id: "exec-from-memory",
    title: "A program that exists only in memory was run",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1620"],
    explanation: "Package code executed an anonymous memory file, or (less sure) a program whose file had been deleted before it \
                  started.",
};

impl Rule for ExecFromMemory {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        view.acts()
            .iter()
            .filter_map(|event| {
                let EventKind::Exec { exe, sha256, .. } = &event.kind else {
                    return None;
                };
                let text = exe.lossy();
                let memory = is_memory(&text);
                if !memory && !text.ends_with(" (deleted)") {
                    return None;
                }
                let name = exe.shortened(120);
                let when = view.when(event.phase, Some(event.process));
                let clause = format!("runs {name}, a program without a file, {when}");
                let mut hit = Hit::new(&INFO, &event.owner, event.phase, clause);
                if !memory {
                    hit = hit.graded(Severity::High, Confidence::Medium);
                }
                let hash = sha256.as_deref().unwrap_or("not kept");
                Some(hit.event(view, event, format!("{name} executed (sha256 {hash})")))
            })
            .collect()
    }
}

/// How the kernel names files in memory.
pub(crate) fn is_memory(exe: &str) -> bool {
    exe.starts_with("memfd:") || exe.starts_with("/memfd:")
}

#[cfg(test)]
mod tests {
    use apa_model::Confidence;

    use crate::testing::Scene;

    #[test]
    fn a_memory_file_is_sure_and_a_deleted_one_likely() {
        let mut scene = Scene::npm("left-pad");
        scene.package("memfd:x", &["kworker"]);
        assert_eq!(
            scene.finding("exec-from-memory").confidence,
            Confidence::High
        );

        let mut scene = Scene::npm("left-pad");
        scene.package("/opt/x (deleted)", &["x"]);
        assert_eq!(
            scene.finding("exec-from-memory").confidence,
            Confidence::Medium
        );
    }

    #[test]
    fn ordinary_programs_and_those_of_the_manager_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        scene.package("/usr/bin/node", &["memfd:x"]);
        scene.manager("memfd:runc", &["runc"]);
        assert!(scene.findings("exec-from-memory").is_empty());
    }
}
