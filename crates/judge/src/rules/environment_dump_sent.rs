use std::collections::BTreeSet;

use apa_model::{Confidence, EventKind, ProcessId, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::programs;
use crate::view::{PackageFlow, View, network};

pub(crate) struct EnvironmentDumpSent;

static INFO: RuleInfo = RuleInfo {
    id: "environment-dump-sent",
    title: "The environment was sent out",
    severity: Severity::Critical,
    confidence: Confidence::Proven,
    attack: &["T1552", "T1041"],
    explanation: "Secrets planted in environment variables were seen in bytes that left. Less sure: `env` or `printenv` was run \
                  and its process tree sent a request body or raw bytes afterwards.",
};

impl Rule for EnvironmentDumpSent {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut hits: Vec<Hit> = view
            .flows()
            .iter()
            .filter_map(|sent| planted(view, sent))
            .collect();
        if hits.is_empty() {
            hits.extend(
                view.trees()
                    .filter_map(|(tree, acts)| printed(view, tree, acts)),
            );
        }
        hits
    }
}

fn planted(view: &View<'_>, sent: &PackageFlow<'_>) -> Option<Hit> {
    let names: BTreeSet<&str> = sent
        .flow
        .canary_hits
        .iter()
        .filter(|hit| view.is_theft(&sent.owner, hit))
        .filter_map(|hit| view.canary(&hit.canary)?.planted_at.strip_prefix("env:"))
        .collect();
    if names.is_empty() {
        return None;
    }
    let what = list(names.iter().map(|name| (*name).to_owned()), 4);
    let flow = sent.flow;
    let when = view.when(flow.phase, flow.process);
    let clause = format!(
        "sends secrets of the environment ({what}) to {} {when}",
        view.peer(flow)
    );
    let mut hit = Hit::new(&INFO, &sent.owner, flow.phase, clause).flow(view, flow);
    for found in &flow.canary_hits {
        hit = hit.canary(&found.canary, view.bait_words(&found.canary));
    }
    Some(hit)
}

/// `env` without a program to run, then content sent by the same tree.
fn printed(view: &View<'_>, tree: ProcessId, acts: &[&apa_model::Event]) -> Option<Hit> {
    let dump = acts.iter().find(|event| match &event.kind {
        EventKind::Exec { exe, argv, .. } => {
            let exe = exe.lossy();
            matches!(programs::base_name(&exe), "env" | "printenv")
                && argv.len() == 1
                && !event.outcome.failed()
        }
        _ => false,
    })?;
    let sent = view
        .sends_after(tree, dump.at_us)
        .find(|sent| network::sends_content(sent.flow))?;
    let when = view.when(dump.phase, Some(dump.process));
    let clause = format!(
        "lists the environment and then sends data to {} {when}",
        view.peer(sent.flow)
    );
    Some(
        Hit::new(&INFO, &dump.owner, dump.phase, clause)
            .graded(Severity::High, Confidence::Medium)
            .event(view, dump, "lists the environment".into())
            .flow(view, sent.flow),
    )
}

#[cfg(test)]
mod tests {
    use apa_model::Severity;

    use crate::testing::Scene;

    #[test]
    fn environment_secrets_in_a_request_are_found() {
        let mut scene = Scene::npm("left-pad");
        scene.baits();
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(hook)
            .http("POST https://collect.test/", 90)
            .carrying("aws-env-1", &["http.body"]);
        let finding = scene.finding("environment-dump-sent");
        assert_eq!(finding.severity, Severity::Critical);
        assert!(
            finding
                .explanation
                .to_string()
                .contains("AWS_SECRET_ACCESS_KEY")
        );
    }

    #[test]
    fn env_then_a_request_with_a_body_is_likely() {
        let mut scene = Scene::npm("left-pad");
        let shell = scene.package("/usr/bin/sh", &["sh"]);
        scene.child(shell, "/usr/bin/env", &["env"]);
        let curl = scene.child(shell, "/usr/bin/curl", &["curl"]);
        scene.at(curl).http("POST https://collect.test/", 90);
        assert_eq!(
            scene.finding("environment-dump-sent").severity,
            Severity::High
        );
    }

    #[test]
    fn env_as_a_launcher_and_plain_requests_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/env", &["env", "node", "x.js"]);
        scene.at(hook).http("POST https://collect.test/", 90);
        assert!(scene.findings("environment-dump-sent").is_empty());
    }
}
