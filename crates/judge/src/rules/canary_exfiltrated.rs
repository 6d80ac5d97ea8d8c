use std::collections::BTreeMap;

use apa_model::{Canary, Confidence, EventKind, Flow, Hostile, Protocol, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::programs;
use crate::view::{View, network};

pub(crate) struct CanaryExfiltrated;

static INFO: RuleInfo = RuleInfo {
    id: "canary-exfiltrated",
    title: "A planted secret was sent out",
    severity: Severity::Critical,
    confidence: Confidence::Proven,
    attack: &["T1041", "T1552.001", "T1552.004"],
    explanation: "Every run plants its own secrets. One of them was seen again in bytes that left, also through base64, \
                  hexadecimal, compression and the like, or in the arguments of a program that carries data to \
                  other machines. A package manager that uses its own registry token is left alone.",
};

impl Rule for CanaryExfiltrated {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut hits: Vec<Hit> = view
            .observation
            .flows
            .iter()
            .filter_map(|flow| in_flow(view, flow))
            .collect();
        // What was seen leaving need not be told again by the arguments that led to it.
        if hits.is_empty() {
            hits.extend(in_arguments(view));
        }
        hits
    }
}

fn in_flow(view: &View<'_>, flow: &Flow) -> Option<Hit> {
    let owner = view.owner_of(flow);
    let mut stolen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for hit in &flow.canary_hits {
        if view.is_theft(&owner, hit) {
            let layers = hit
                .layers
                .iter()
                .map(String::as_str)
                .filter(|layer| is_coding(layer));
            stolen.entry(&hit.canary).or_default().extend(layers);
        }
    }
    if stolen.is_empty() {
        return None;
    }
    let what = list(stolen.keys().map(|id| view.bait_words(id)), 3);
    let codings = list(
        stolen.values().flatten().map(|layer| (*layer).to_owned()),
        4,
    );
    let codings = if codings.is_empty() {
        String::new()
    } else {
        format!(" ({codings})")
    };
    let peer = match network::queried_names(flow).next() {
        Some(name) if flow.protocol == Protocol::Dns => {
            format!("the name server of {}", Hostile::from(zone(&name)))
        }
        _ => view.peer(flow),
    };
    let when = view.when(flow.phase, flow.process);
    let clause = format!("sends {what} to {peer}{codings} {when}");
    let mut hit = Hit::new(&INFO, &owner, flow.phase, clause).flow(view, flow);
    for id in stolen.keys() {
        hit = hit.canary(id, planted(view.canary(id)));
    }
    for read in view.secret_reads() {
        let stolen = view
            .canary(stolen.keys().next().copied().unwrap_or_default())
            .is_some_and(|canary| canary.planted_at == read.path);
        if stolen && hit.evidence.len() < 4 {
            let detail = format!("{} opened", view.short(&read.path));
            hit = hit.event(view, read.event, detail);
        }
    }
    Some(hit)
}

/// The last two labels of a name.
pub(super) fn zone(name: &str) -> String {
    let labels: Vec<&str> = name.rsplit('.').take(2).collect();
    labels.into_iter().rev().collect::<Vec<_>>().join(".")
}

/// Layers that say where the bytes stood, not how they were written.
fn is_coding(layer: &str) -> bool {
    !matches!(
        layer,
        "raw" | "tcp" | "udp" | "tls" | "http" | "dns" | "stream" | "body" | "bytes" | "unwrapped"
    ) && !layer.starts_with("http.")
        && !layer.starts_with("dns.")
}

fn planted(canary: Option<&Canary>) -> String {
    match canary {
        Some(canary) => format!("planted at {}", canary.planted_at),
        None => "planted for this run".to_owned(),
    }
}

/// Arguments of programs that carry data to other machines, or of whose children one does.
fn in_arguments(view: &View<'_>) -> Vec<Hit> {
    view.observation
        .argv_hits
        .iter()
        .filter_map(|(id, hit)| {
            let process = view.process(*id)?;
            if !process.owner.is_package_code() {
                return None;
            }
            let carrier = view.carrier(*id)?;
            let exe = carrier.exe.lossy();
            let carrier = Hostile::from(programs::base_name(&exe));
            let what = view.bait_words(&hit.canary);
            let when = view.when(process.phase, Some(*id));
            let clause = format!("gives {what} to {carrier} {when}");
            let started = view
                .acts_of(*id)
                .iter()
                .rfind(|event| matches!(event.kind, EventKind::Exec { .. }))
                .copied();
            let mut found = Hit::new(&INFO, &process.owner, process.phase, clause)
                .canary(&hit.canary, planted(view.canary(&hit.canary)));
            if let Some(event) = started {
                let detail = format!("arguments of {}", process.exe.shortened(120));
                found = found.event(view, event, detail);
            }
            Some(found)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::Scene;

    #[test]
    fn an_ssh_key_in_a_request_is_proven_theft() {
        let mut scene = Scene::npm("left-pad");
        scene.baits();
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene.env(hook, "npm_lifecycle_event", "postinstall");
        scene.at(hook).read("/home/kim/.ssh/id_rsa");
        scene
            .at(hook)
            .http("POST https://collect.test/x", 800)
            .carrying("ssh-key-1", &["http.body", "json", "base64"]);
        let finding = scene.finding("canary-exfiltrated");
        assert_eq!(
            finding.explanation.to_string(),
            "Sends the contents of ~/.ssh/id_rsa to collect.test:443 (json and base64) in its postinstall hook."
        );
        assert_eq!(finding.evidence.len(), 3);
    }

    #[test]
    fn a_secret_in_the_arguments_of_curl_is_theft() {
        let mut scene = Scene::npm("left-pad");
        scene.baits();
        let shell = scene.package("/usr/bin/sh", &["sh", "-c", "…"]);
        let curl = scene.child(shell, "/usr/bin/curl", &["curl", "-d", "…"]);
        scene.argv_hit(curl, "ssh-key-1");
        let finding = scene.finding("canary-exfiltrated");
        assert!(finding.explanation.to_string().contains("to curl"));
    }

    #[test]
    fn a_secret_in_the_arguments_of_a_local_program_is_none() {
        let mut scene = Scene::npm("left-pad");
        scene.baits();
        let grep = scene.package("/usr/bin/grep", &["grep", "…"]);
        scene.argv_hit(grep, "ssh-key-1");
        assert!(scene.findings("canary-exfiltrated").is_empty());
    }

    #[test]
    fn a_manager_may_use_its_own_token_and_no_other_secret() {
        let mut scene = Scene::npm("left-pad");
        scene.baits();
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        scene
            .at(npm)
            .http("GET https://registry.test/x", 0)
            .carrying("npm-token-1", &["http.header"]);
        assert!(scene.findings("canary-exfiltrated").is_empty());
        scene
            .at(npm)
            .http("GET https://registry.test/x", 0)
            .carrying("ssh-key-1", &["http.header"]);
        assert_eq!(scene.findings("canary-exfiltrated").len(), 1);
    }
}
