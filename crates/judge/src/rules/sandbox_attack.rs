use std::collections::BTreeMap;

use apa_model::{Confidence, Event, EventKind, Owner, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::view::View;

pub(crate) struct SandboxAttack;

static INFO: RuleInfo = RuleInfo {
    id: "sandbox-attack",
    title: "Tried to reach beyond its own processes",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1611", "T1055.008", "T1497"],
    explanation: "Package code looked into other processes, signalled everyone or the first process, or asked for namespaces, mounts, kernel \
                  modules, BPF and the like. One kind is medium, several are high. Interfaces that runtimes try by themselves \
                  (io_uring) do not count.",
};

/// Calls that no library needs.
pub(crate) const SUSPECT_CALLS: &[&str] = &[
    "unshare",
    "setns",
    "mount",
    "umount2",
    "fsopen",
    "fsmount",
    "move_mount",
    "open_tree",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "bpf",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "perf_event_open",
    "userfaultfd",
    "open_by_handle_at",
    "iopl",
    "ioperm",
    "keyctl",
    "add_key",
    "request_key",
    "reboot",
    "swapon",
    "clone",
    "clone3",
];

impl Rule for SandboxAttack {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_owner: BTreeMap<&Owner, BTreeMap<String, &Event>> = BTreeMap::new();
        for act in view.acts() {
            if let Some(kind) = attack(view, act) {
                by_owner
                    .entry(&act.owner)
                    .or_default()
                    .entry(kind)
                    .or_insert(*act);
            }
        }
        by_owner
            .into_iter()
            .filter_map(|(owner, kinds)| hit(view, owner, &kinds))
            .collect()
    }
}

/// What an act tries, in words.
fn attack(view: &View<'_>, event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::Inspect { call, target } => {
            // A process may trace the children it made.
            let own_child = target
                .and_then(|target| view.process(target)?.parent)
                .is_some_and(|parent| parent == event.process);
            let itself = *target == Some(event.process);
            (!own_child && !itself).then(|| format!("{call} on another process"))
        }
        EventKind::Kill { pid: -1, signal } if *signal != 0 => {
            Some("signal to every process".into())
        }
        EventKind::Kill { pid: 1, signal } if *signal != 0 => {
            Some("signal to the first process".into())
        }
        EventKind::Privileged { call, .. } => {
            SUSPECT_CALLS.contains(&call.as_str()).then(|| call.clone())
        }
        EventKind::Refused { call } => (!call.starts_with("io_uring")).then(|| call.clone()),
        _ => None,
    }
}

fn hit(view: &View<'_>, owner: &Owner, kinds: &BTreeMap<String, &Event>) -> Option<Hit> {
    let first = *kinds.values().min_by_key(|event| event.seq)?;
    let what = list(
        kinds
            .keys()
            .map(|kind| apa_model::Hostile::from(kind.as_str()).to_string()),
        5,
    );
    let when = view.when(first.phase, Some(first.process));
    let clause = format!("tries to reach beyond its own processes ({what}) {when}");
    let mut hit = Hit::new(&INFO, owner, first.phase, clause);
    if kinds.len() == 1 {
        hit = hit.graded(Severity::Medium, Confidence::Medium);
    }
    for (kind, event) in kinds.iter().take(8) {
        hit = hit.event(view, event, kind.clone());
    }
    Some(hit)
}

#[cfg(test)]
mod tests {
    use apa_model::{EventKind, Severity};

    use crate::testing::Scene;

    #[test]
    fn one_kind_is_medium_and_several_are_high() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).kill(-1, 9).kill(-1, 9);
        assert_eq!(scene.finding("sandbox-attack").severity, Severity::Medium);
        scene.at(hook).privileged("bpf");
        let finding = scene.finding("sandbox-attack");
        assert_eq!(finding.severity, Severity::High);
        assert!(
            finding
                .explanation
                .to_string()
                .contains("(bpf and signal to every process)")
        );
    }

    #[test]
    fn looking_into_ones_parent_is_found_and_into_ones_child_is_not() {
        let mut scene = Scene::npm("left-pad");
        let parent = scene.package("/usr/bin/node", &["node"]);
        let child = scene.child(parent, "/usr/bin/node", &["node"]);
        let inspect = |target| EventKind::Inspect {
            call: "ptrace".into(),
            target: Some(target),
        };
        scene.at(parent).does(inspect(child));
        assert!(scene.findings("sandbox-attack").is_empty());
        scene.at(child).does(inspect(parent));
        assert_eq!(scene.findings("sandbox-attack").len(), 1);
    }

    #[test]
    fn what_runtimes_do_by_themselves_is_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(node)
            .refused("io_uring_setup")
            .kill(0, 15)
            .kill(-321, 15)
            .kill(1, 0)
            .privileged("setgroups");
        assert!(scene.findings("sandbox-attack").is_empty());
    }
}
