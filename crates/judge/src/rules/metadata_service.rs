use apa_model::{Confidence, EventKind, Phase, Protocol, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::view::{View, network};

pub(crate) struct MetadataService;

static INFO: RuleInfo = RuleInfo {
    id: "metadata-service",
    title: "A cloud metadata service was contacted",
    severity: Severity::High,
    confidence: Confidence::Medium,
    attack: &["T1552.005"],
    explanation: "Package code contacted an address or name at which cloud machines hand out credentials (169.254.169.254 and its kin). Low while \
                  exported functions are called, and at an import after which nothing goes to anybody else: clients of clouds do so.",
};

impl Rule for MetadataService {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let spoken = view
            .flows()
            .iter()
            .filter(|sent| network::is_metadata_service(sent.flow))
            .map(|sent| {
                let flow = sent.flow;
                let when = view.when(flow.phase, flow.process);
                let clause = format!(
                    "contacts the cloud metadata service {} {when}",
                    view.peer(flow)
                );
                grade(view, Hit::new(&INFO, &sent.owner, flow.phase, clause)).flow(view, flow)
            });
        let mut hits: Vec<Hit> = spoken.collect();
        if hits.is_empty() {
            hits.extend(asked_for(view));
        }
        hits
    }
}

/// Connections that never became conversations.
fn asked_for(view: &View<'_>) -> Vec<Hit> {
    view.acts()
        .iter()
        .filter_map(|event| {
            let EventKind::Connect { address } = &event.kind else {
                return None;
            };
            let peer: std::net::SocketAddr = address.lossy().parse().ok()?;
            if !network::is_metadata_address(peer.ip()) {
                return None;
            }
            let when = view.when(event.phase, Some(event.process));
            let clause = format!("tries to contact the cloud metadata service {peer} {when}");
            let hit = Hit::new(&INFO, &event.owner, event.phase, clause);
            Some(grade(view, hit).event(view, event, format!("connect to {peer}")))
        })
        .collect()
}

fn grade(view: &View<'_>, hit: Hit) -> Hit {
    let usual = match hit.phase {
        Phase::Execute => true,
        Phase::Import => !passes_on(view),
        _ => false,
    };
    if usual {
        hit.graded(Severity::Low, Confidence::Medium)
    } else {
        hit
    }
}

/// Characters of a name in which a credential could be asked for.
const LONG_NAME: usize = 60;

/// Whether package code gave somebody else something in which a credential could have gone along.
fn passes_on(view: &View<'_>) -> bool {
    view.flows().iter().any(|sent| {
        let flow = sent.flow;
        let early = matches!(flow.phase, Phase::Import | Phase::InterpreterStart);
        early
            && !network::is_metadata_service(flow)
            && match flow.protocol {
                Protocol::Dns => network::queried_names(flow).any(|name| name.len() > LONG_NAME),
                _ => network::has_room(flow),
            }
            && !flow.destination.ip().is_loopback()
    })
}

#[cfg(test)]
mod tests {
    use apa_model::{Phase, Severity};

    use crate::testing::Scene;

    #[test]
    fn contact_during_install_is_high_and_while_called_low() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).raw("169.254.169.254:80", 20);
        assert_eq!(scene.finding("metadata-service").severity, Severity::High);

        let mut scene = Scene::npm("left-pad");
        let node = scene
            .phase(Phase::Execute)
            .package("/usr/bin/node", &["node"]);
        scene.at(node).connect("169.254.169.254:80");
        assert_eq!(scene.finding("metadata-service").severity, Severity::Low);
    }

    #[test]
    fn contact_at_import_is_low_unless_something_goes_on_to_somebody_else() {
        let mut scene = Scene::npm("left-pad");
        let node = scene
            .phase(Phase::Import)
            .package("/usr/bin/node", &["node"]);
        scene.at(node).raw("169.254.169.254:80", 20);
        assert_eq!(scene.finding("metadata-service").severity, Severity::Low);
        scene.at(node).http("POST https://collect.test/x", 400);
        assert_eq!(scene.finding("metadata-service").severity, Severity::High);
    }

    #[test]
    fn other_addresses_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(hook)
            .raw("192.0.2.254:80", 20)
            .connect("127.0.0.1:80");
        assert!(scene.findings("metadata-service").is_empty());
    }
}
