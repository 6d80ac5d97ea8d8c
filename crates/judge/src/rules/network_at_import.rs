use std::collections::BTreeMap;

use apa_model::{Confidence, Owner, Phase, Protocol, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::view::{PackageFlow, View, network};

pub(crate) struct NetworkAtImport;

static INFO: RuleInfo = RuleInfo {
    id: "network-at-import",
    title: "Package code uses the network before it is called",
    severity: Severity::Low,
    confidence: Confidence::Medium,
    attack: &["T1071.001"],
    explanation: "An install hook or the mere import contacted a machine. Telemetry and downloads do so too, so this convicts nobody, but \
                  the packages measured as benign never do. Questions to the name service alone and the sandbox's own \
                  loopback do not count.",
};

impl Rule for NetworkAtImport {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_phase: BTreeMap<(Owner, Phase), Vec<&PackageFlow<'_>>> = BTreeMap::new();
        for sent in view.flows() {
            let flow = sent.flow;
            let early = matches!(
                flow.phase,
                Phase::Install | Phase::InterpreterStart | Phase::GemCommand | Phase::Import
            );
            if early
                && flow.protocol != Protocol::Dns
                && network::sends(flow)
                && !flow.destination.ip().is_loopback()
            {
                by_phase
                    .entry((sent.owner.clone(), flow.phase))
                    .or_default()
                    .push(sent);
            }
        }
        by_phase
            .into_iter()
            .filter_map(|((owner, phase), sent)| {
                let peers = list(sent.iter().map(|sent| view.peer(sent.flow)), 4);
                let when = view.when(phase, sent.first()?.flow.process);
                let clause = format!("contacts {peers} {when}");
                let hit = Hit::new(&INFO, &owner, phase, clause);
                Some(
                    sent.iter()
                        .take(5)
                        .fold(hit, |hit, sent| hit.flow(view, sent.flow)),
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use apa_model::{Phase, Severity};

    use crate::testing::Scene;

    #[test]
    fn a_connection_while_importing_is_low() {
        let mut scene = Scene::npm("left-pad");
        let node = scene
            .phase(Phase::Import)
            .package("/usr/bin/node", &["node"]);
        scene.at(node).http("GET https://stats.test/", 0);
        assert_eq!(scene.finding("network-at-import").severity, Severity::Low);
    }

    #[test]
    fn names_loopback_managers_and_our_calls_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        scene.at(npm).http("GET https://registry.test/", 0);
        let node = scene
            .phase(Phase::Import)
            .package("/usr/bin/node", &["node"]);
        scene.at(node).dns("A localhost").raw("127.0.0.1:3000", 4);
        scene
            .phase(Phase::Execute)
            .at(node)
            .http("GET https://x.test/", 0);
        assert!(scene.findings("network-at-import").is_empty());
    }
}
