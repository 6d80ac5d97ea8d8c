use std::collections::BTreeMap;

use apa_model::{Confidence, Event, EventKind, Phase, ProcessId, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::view::{View, network, reads};
use crate::{paths, programs};

pub(crate) struct HostFingerprintBurst;

static INFO: RuleInfo = RuleInfo {
    id: "host-fingerprint-burst",
    title: "The machine was asked who it is in several ways",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    attack: &["T1082", "T1033", "T1016"],
    explanation: "Within one process tree package code ran at least three of `hostname`, `whoami`, `id`, `uname`, `ip` and the like, or read \
                  what identifies the machine. Medium when the tree sent something afterwards, else low. Configure \
                  scripts, and functions that are called by us, are left alone unless they send.",
};

const MANY: usize = 3;
/// While functions are tried out, only what is sent this soon afterwards belongs together.
const SOON_US: u64 = 2_000_000;

impl Rule for HostFingerprintBurst {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        view.trees()
            .filter_map(|(tree, acts)| burst(view, tree, acts))
            .collect()
    }
}

/// What an act asks; the same question counts once.
fn question(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::Exec { exe, .. } => {
            programs::fingerprint_question(&exe.lossy()).map(str::to_owned)
        }
        EventKind::Open { path, access, .. } if reads(*access) => {
            let path = path.lossy();
            // Cores are counted by every runtime that starts threads.
            let asks = paths::is_identity(&path) && path != "/proc/cpuinfo";
            asks.then(|| identity_name(&path).to_owned())
        }
        _ => None,
    }
}

/// All of DMI is one question, and so are all network cards.
fn identity_name(path: &str) -> &str {
    if path.contains("/dmi/") {
        "DMI"
    } else if path.starts_with("/sys/class/net/") {
        "network card addresses"
    } else if path.ends_with("machine-id") {
        "machine-id"
    } else {
        path
    }
}

fn burst(view: &View<'_>, tree: ProcessId, acts: &[&Event]) -> Option<Hit> {
    let mut asked: BTreeMap<String, &Event> = BTreeMap::new();
    for act in acts {
        if !act.outcome.failed()
            && let Some(question) = question(act)
        {
            asked.entry(question).or_insert(*act);
        }
    }
    if asked.len() < MANY {
        return None;
    }
    let first = *asked.values().min_by_key(|event| event.seq)?;
    let last = asked.values().max_by_key(|event| event.seq)?;
    let tried_out = first.phase == Phase::Execute;
    let sent = view.sends_after(tree, first.at_us).find(|sent| {
        !tried_out
            || (network::sends_content(sent.flow) && sent.flow.started_us < last.at_us + SOON_US)
    });
    if sent.is_none() && (tried_out || configures(view, first.process)) {
        return None;
    }
    let what = list(asked.keys().cloned(), 6);
    let when = view.when(first.phase, Some(first.process));
    let mut hit = match sent {
        Some(sent) => {
            let peer = view.peer(sent.flow);
            let clause = format!("asks for {what} and then contacts {peer} {when}");
            Hit::new(&INFO, &first.owner, first.phase, clause).flow(view, sent.flow)
        }
        None => Hit::new(
            &INFO,
            &first.owner,
            first.phase,
            format!("asks for {what} {when}"),
        )
        .graded(Severity::Low, Confidence::Medium),
    };
    for (question, event) in asked.iter().take(8) {
        hit = hit.event(view, event, question.clone());
    }
    Some(hit)
}

/// Below a configure script, which asks all of this for its log.
fn configures(view: &View<'_>, id: ProcessId) -> bool {
    view.lineage(id).any(|process| {
        process.argv.iter().take(3).any(|argument| {
            let argument = argument.lossy();
            matches!(
                programs::base_name(&argument),
                "configure" | "config.guess" | "config.status" | "config.sub"
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use apa_model::{Phase, Severity};

    use super::*;
    use crate::testing::Scene;

    fn ask(scene: &mut Scene, parent: ProcessId, programs: &[&str]) {
        for program in programs {
            scene.child(parent, &format!("/usr/bin/{program}"), &[program]);
        }
    }

    #[test]
    fn three_questions_are_low_and_medium_when_something_is_sent() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        ask(&mut scene, hook, &["hostname", "whoami", "whoami"]);
        scene.at(hook).read("/etc/machine-id");
        assert_eq!(
            scene.finding("host-fingerprint-burst").severity,
            Severity::Low
        );
        scene.at(hook).http("GET https://collect.test/?h=x", 0);
        let finding = scene.finding("host-fingerprint-burst");
        assert_eq!(finding.severity, Severity::Medium);
        assert!(finding.explanation.to_string().starts_with(
            "Asks for hostname, machine-id and whoami and then contacts collect.test:443"
        ));
    }

    #[test]
    fn builds_and_runtimes_that_look_around_are_left_alone() {
        let mut scene = Scene::pypi("numpy");
        let python = scene.package("/usr/bin/python3", &["python3", "setup.py"]);
        ask(&mut scene, python, &["uname", "uname", "lsb_release"]);
        scene
            .at(python)
            .read("/proc/cpuinfo")
            .read("/etc/os-release");
        let configure = scene.package("/usr/bin/sh", &["/bin/sh", "./configure"]);
        ask(&mut scene, configure, &["hostname", "uname", "arch", "id"]);
        assert!(scene.findings("host-fingerprint-burst").is_empty());
    }

    #[test]
    fn functions_called_by_us_count_only_with_what_they_send() {
        let mut scene = Scene::npm("left-pad");
        let node = scene
            .phase(Phase::Execute)
            .package("/usr/bin/node", &["node"]);
        ask(&mut scene, node, &["hostname", "whoami", "id"]);
        scene.at(node).http("GET https://x.test/", 0);
        assert!(scene.findings("host-fingerprint-burst").is_empty());
        scene.at(node).http("POST https://x.test/", 90);
        assert_eq!(scene.findings("host-fingerprint-burst").len(), 1);
    }
}
