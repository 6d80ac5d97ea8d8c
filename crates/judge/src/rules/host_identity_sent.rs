use std::collections::BTreeMap;

use apa_model::{CanaryKind, Confidence, Flow, Owner, Phase, Protocol, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::view::{View, network};

pub(crate) struct HostIdentitySent;

static INFO: RuleInfo = RuleInfo {
    id: "host-identity-sent",
    title: "The machine's own name was sent out",
    severity: Severity::High,
    confidence: Confidence::Medium,
    attack: &["T1082", "T1016", "T1041"],
    explanation: "Every run has a machine name of its own, and it was seen in bytes that left, also through encodings or inside a looked-up \
                  name. Probes for dependency confusion and beacons of implants do so as soon as they are installed or \
                  imported; greeting a mail server or logging while functions are called is low. Looking up one's own \
                  name is left alone.",
};

impl Rule for HostIdentitySent {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_phase: BTreeMap<(Owner, Phase), Vec<&Flow>> = BTreeMap::new();
        for sent in view.flows() {
            if tells_host_name(view, sent.flow) {
                by_phase
                    .entry((sent.owner.clone(), sent.flow.phase))
                    .or_default()
                    .push(sent.flow);
            }
        }
        by_phase
            .into_iter()
            .filter_map(|((owner, phase), flows)| {
                let first = flows.first()?;
                let peers = list(flows.iter().map(|flow| receiver(view, flow)), 3);
                let when = view.when(phase, first.process);
                let clause = format!("tells {peers} which machine it runs on {when}");
                let mut hit = Hit::new(&INFO, &owner, phase, clause);
                if phase == Phase::Execute {
                    hit = hit.graded(Severity::Low, Confidence::Medium);
                }
                Some(
                    flows
                        .iter()
                        .take(4)
                        .fold(hit, |hit, flow| hit.flow(view, flow)),
                )
            })
            .collect()
    }
}

fn receiver(view: &View<'_>, flow: &Flow) -> String {
    match network::queried_names(flow).next() {
        Some(name) if flow.protocol == Protocol::Dns => {
            let zone = super::canary_exfiltrated::zone(&name);
            format!("the name server of {}", apa_model::Hostile::from(zone))
        }
        _ => view.peer(flow),
    }
}

fn tells_host_name(view: &View<'_>, flow: &Flow) -> bool {
    let found = flow.canary_hits.iter().any(|hit| {
        view.canary(&hit.canary)
            .is_some_and(|canary| canary.kind == CanaryKind::HostName)
    });
    // A name is looked up as it stands, or in the local domain, by whoever asks for its own address.
    let host = view.observation.hostname.to_lowercase();
    let own = |name: String| {
        let name = name.to_lowercase();
        let rest = name.strip_prefix(&host);
        rest.is_some_and(|rest| rest.is_empty() || rest.matches('.').count() == 1)
    };
    found && (flow.protocol != Protocol::Dns || !network::queried_names(flow).all(own))
}

#[cfg(test)]
mod tests {
    use apa_model::Canary;

    use super::*;
    use crate::testing::Scene;

    fn scene() -> Scene {
        let mut scene = Scene::npm("left-pad");
        scene.observation_mut().canaries.push(Canary {
            id: "host-name".into(),
            kind: CanaryKind::HostName,
            planted_at: "hostname".into(),
            secrets: vec!["kims-laptop".into()],
        });
        scene
    }

    #[test]
    fn a_beacon_at_install_is_suspicious_and_no_theft() {
        let mut scene = scene();
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene
            .at(hook)
            .http("GET https://cb.test/?h=kims-laptop", 0)
            .carrying("host-name", &["http.target"]);
        let judgement = scene.judge();
        let rules: Vec<_> = judgement.findings.iter().map(|f| f.rule.as_str()).collect();
        assert!(rules.contains(&"host-identity-sent"), "{rules:?}");
        assert!(!rules.contains(&"canary-exfiltrated"), "{rules:?}");
    }

    #[test]
    fn a_beacon_by_dns_is_found_and_no_tunnel() {
        let mut scene = scene();
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene
            .at(hook)
            .dns("A kims-laptop.kim.cb.test")
            .carrying("host-name", &["dns.name"]);
        assert_eq!(scene.findings("host-identity-sent").len(), 1);
        assert!(scene.findings("dns-exfiltration").is_empty());
    }

    #[test]
    fn looking_up_ones_own_name_is_left_alone() {
        let mut scene = scene();
        let hook = scene.package("/usr/bin/python3", &["python3", "-c", ""]);
        scene
            .at(hook)
            .dns("A kims-laptop")
            .carrying("host-name", &["dns.name"])
            .dns("A kims-laptop.lan")
            .carrying("host-name", &["dns.name"]);
        assert!(scene.findings("host-identity-sent").is_empty());
    }

    #[test]
    fn the_manager_may_say_who_it_is() {
        let mut scene = scene();
        let npm = scene.manager("/usr/bin/node", &["npm"]);
        scene
            .at(npm)
            .http("GET https://registry.test/x", 0)
            .carrying("host-name", &["http.headers"]);
        assert!(scene.findings("host-identity-sent").is_empty());
    }
}
