use apa_model::{Confidence, FlowMessage, Phase, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::view::{PackageFlow, View};

pub(crate) struct SelfPropagation;

static INFO: RuleInfo = RuleInfo {
    id: "self-propagation",
    title: "Published a package",
    severity: Severity::Critical,
    confidence: Confidence::Proven,
    attack: &["T1195.001", "T1080"],
    explanation: "Package code handed a whole package to a registry that plays along, and the package was kept. Worms do so with the tokens \
                  they find; nothing else does while it is installed or imported. High, not critical, when a function that we called did it: \
                  release tools exist.",
};

/// The layer and the first word by which the simulated network tells of a package that was published.
const LAYER: &str = "registry-publish";
const WORD: &str = "PUBLISH ";

impl Rule for SelfPropagation {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        view.flows()
            .iter()
            .filter(|sent| sent.flow.layers.iter().any(|layer| layer == LAYER))
            .flat_map(|sent| {
                let messages = sent.flow.messages.iter();
                messages.filter_map(move |message| hit(view, sent, message))
            })
            .collect()
    }
}

fn hit(view: &View<'_>, sent: &PackageFlow<'_>, message: &FlowMessage) -> Option<Hit> {
    let summary = message.summary.shortened(200).to_string();
    let package = summary.strip_prefix(WORD)?.split(' ').next()?.to_owned();
    let flow = sent.flow;
    let stolen = flow
        .canary_hits
        .iter()
        .find(|hit| view.is_theft(&sent.owner, hit));
    let token = stolen.map_or(String::new(), |hit| {
        format!(" with {}", view.bait_words(&hit.canary))
    });
    let when = view.when(flow.phase, flow.process);
    let clause = format!(
        "publishes the package {package} to {}{token} {when}",
        view.peer(flow)
    );
    let (severity, confidence) = match flow.phase {
        Phase::Execute => (Severity::High, Confidence::High),
        _ => (Severity::Critical, Confidence::Proven),
    };
    let mut hit = Hit::new(&INFO, &sent.owner, flow.phase, clause)
        .graded(severity, confidence)
        .flow(view, flow);
    if let Some(sha256) = &message.body {
        hit = hit.blob(
            sha256,
            format!("the published package ({} bytes)", message.body_bytes),
        );
    }
    Some(hit)
}

#[cfg(test)]
mod tests {
    use apa_model::{Confidence, Evidence, FlowMessage, Phase, Severity};

    use crate::testing::Scene;

    fn publish(scene: &mut Scene) {
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).http("PUT https://registry.test/kit", 900);
        let flow = scene.observation_mut().flows.last_mut().unwrap();
        flow.layers.push("registry-publish".into());
        flow.messages.push(FlowMessage {
            summary: "PUBLISH kit@1.0.1 kit-1.0.1.tgz".into(),
            headers: Vec::new(),
            body: Some("b".repeat(64)),
            body_bytes: 700,
            answer: "kept".into(),
        });
    }

    #[test]
    fn a_package_that_is_published_is_proof_and_kept() {
        let mut scene = Scene::npm("left-pad");
        publish(&mut scene);
        let finding = scene.finding("self-propagation");
        assert_eq!(
            (finding.severity, finding.confidence),
            (Severity::Critical, Confidence::Proven)
        );
        assert!(finding.explanation.to_string().contains("kit@1.0.1"));
        assert!(
            finding
                .evidence
                .iter()
                .any(|evidence| matches!(evidence, Evidence::Blob { .. }))
        );
    }

    #[test]
    fn a_release_tool_that_is_called_is_high() {
        let mut scene = Scene::npm("left-pad");
        scene.phase(Phase::Execute);
        publish(&mut scene);
        assert_eq!(scene.finding("self-propagation").severity, Severity::High);
    }

    #[test]
    fn other_uploads_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).http("PUT https://storage.test/PUBLISH", 900);
        assert!(scene.findings("self-propagation").is_empty());
    }
}
