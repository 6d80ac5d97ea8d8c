use std::collections::{BTreeMap, BTreeSet};

use apa_model::{Canary, Confidence, EventKind, Flow, Hostile, Owner, Phase, Protocol, Severity};

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
        let mut ways: BTreeMap<Way, Vec<&Flow>> = BTreeMap::new();
        for flow in &view.observation.flows {
            let owner = view.owner_of(flow);
            if flow
                .canary_hits
                .iter()
                .any(|hit| view.is_theft(&owner, hit))
            {
                let way = (flow.phase, owner, receiver(view, flow));
                ways.entry(way).or_default().push(flow);
            }
        }
        let mut hits: Vec<Hit> = ways
            .iter()
            .map(|(way, flows)| in_flows(view, way, flows))
            .collect();
        // What was seen leaving need not be told again by the arguments that led to it.
        if hits.is_empty() {
            hits.extend(in_arguments(view));
        }
        hits
    }
}

/// When, whose, and to whom. Many conversations that carry parts of one theft are told together.
type Way = (Phase, Owner, String);

fn receiver(view: &View<'_>, flow: &Flow) -> String {
    match network::queried_names(flow).next() {
        Some(name) if flow.protocol == Protocol::Dns => {
            format!("the name server of {}", Hostile::from(zone(&name)))
        }
        _ => view.peer(flow),
    }
}

fn in_flows(view: &View<'_>, (phase, owner, receiver): &Way, flows: &[&Flow]) -> Hit {
    let mut stolen: BTreeSet<&str> = BTreeSet::new();
    let mut codings: Vec<String> = Vec::new();
    for hit in flows.iter().flat_map(|flow| &flow.canary_hits) {
        if view.is_theft(owner, hit) {
            stolen.insert(&hit.canary);
            codings.extend(hit.layers.iter().filter(|layer| is_coding(layer)).cloned());
        }
    }
    let what = list(stolen.iter().map(|id| view.bait_words(id)), 3);
    let codings = match list(codings, 4) {
        none if none.is_empty() => none,
        some => format!(" ({some})"),
    };
    let when = view.when(*phase, flows.first().and_then(|flow| flow.process));
    let clause = format!("sends {what} to {receiver}{codings} {when}");
    let mut hit = Hit::new(&INFO, owner, *phase, clause);
    for flow in flows.iter().take(4) {
        hit = hit.flow(view, flow);
    }
    for id in stolen.iter().take(3) {
        hit = hit.canary(id, planted(view.canary(id)));
    }
    stolen
        .iter()
        .flat_map(|id| view.bait_reads(id).iter().map(move |read| (*id, *read)))
        .take(3)
        .fold(hit, |hit, (id, read)| {
            hit.event(view, read, format!("{} opened", view.bait_place(id)))
        })
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
            if !process.owner.is_package_code() || !view.is_secret(hit) {
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
    fn the_name_of_the_key_that_signs_a_request_is_no_theft_and_elsewhere_it_is() {
        let found = |layers: &[&str], excerpt: &str| {
            let mut scene = Scene::npm("left-pad");
            scene.observation_mut().canaries.push(apa_model::Canary {
                id: "aws-name-1".into(),
                kind: apa_model::CanaryKind::AwsEnvironment,
                planted_at: "env:AWS_ACCESS_KEY_ID".into(),
                secrets: vec!["AKIA5E2DOLZTUSRZA232".into()],
            });
            let node = scene.package("/usr/bin/node", &["node"]);
            scene
                .at(node)
                .http("GET https://storage.test/", 0)
                .carrying("aws-name-1", layers);
            let flow = scene.observation_mut().flows.last_mut().unwrap();
            flow.canary_hits[0].excerpt = excerpt.into();
            scene.findings("canary-exfiltrated").len()
                + scene.findings("environment-dump-sent").len()
        };
        let signature = "-HMAC-SHA256 Credential=AKIA5E2DOLZTUSRZA232/20261124/eu-central-1/s";
        assert_eq!(found(&["http.headers"], signature), 0);
        assert_eq!(
            found(&["http.body"], "AWS_ACCESS_KEY_ID=AKIA5E2DOLZTUSRZA232"),
            2
        );
        assert_eq!(found(&["http.headers", "base64"], signature), 2);
    }

    #[test]
    fn an_ssh_key_in_a_request_is_proven_theft() {
        let mut scene = Scene::npm("left-pad");
        scene.baits();
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene.hook(hook, "postinstall");
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
    fn pieces_of_one_theft_are_told_together() {
        let mut scene = Scene::pypi("left-pad");
        scene.baits();
        let python = scene.package("/usr/bin/python3", &["python3"]);
        for (label, bait) in [("6161", "aws-env-1"), ("6262", "token-env-1")] {
            scene
                .at(python)
                .dns(&format!("A {label}.x.collect.test"))
                .carrying(bait, &["dns.name", "hex"]);
        }
        assert_eq!(
            scene.finding("canary-exfiltrated").explanation.to_string(),
            "Sends the environment variable AWS_SECRET_ACCESS_KEY and the environment variable \
             GITHUB_TOKEN to the name server of collect.test (hex) while it is installed."
        );
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
