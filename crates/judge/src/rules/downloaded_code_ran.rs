use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::view::{View, network};

pub(crate) struct DownloadedCodeRan;

static INFO: RuleInfo = RuleInfo {
    id: "downloaded-code-ran",
    title: "Code that was downloaded during the run was executed",
    severity: Severity::Critical,
    confidence: Confidence::Proven,
    attack: &["T1105", "T1059"],
    explanation: "Whatever script package code downloads, the simulated network answers with one that does nothing but ask for a certain \
                  address. That address was asked for: the script was run, by a shell, an interpreter, or inside the process \
                  that had fetched it.",
};

/// What a script of the simulated network asks for when it is run; nothing else does.
pub const STAGE_TWO_PATH: &str = "/.well-known/pki-validation/ready.txt";

impl Rule for DownloadedCodeRan {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        view.flows()
            .iter()
            .filter(|sent| {
                let mut messages = sent.flow.messages.iter();
                messages.any(|message| network::url_path(message) == STAGE_TWO_PATH)
            })
            .map(|sent| {
                let flow = sent.flow;
                let when = view.when(flow.phase, flow.process);
                let clause = format!("runs code downloaded from {} {when}", view.peer(flow));
                Hit::new(&INFO, &sent.owner, flow.phase, clause).flow(view, flow)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    #[test]
    fn the_request_of_a_script_that_ran_is_proof() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene
            .at(hook)
            .http(&format!("GET https://files.test{STAGE_TWO_PATH}"), 0);
        let finding = scene.finding("downloaded-code-ran");
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(!finding.evidence.is_empty());
    }

    #[test]
    fn a_download_alone_is_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene.at(hook).http("GET https://files.test/install.sh", 0);
        assert!(scene.findings("downloaded-code-ran").is_empty());
    }
}
