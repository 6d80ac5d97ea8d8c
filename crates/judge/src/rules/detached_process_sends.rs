use std::collections::BTreeMap;

use apa_model::{Confidence, Owner, Phase, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::view::{PackageFlow, View};

pub(crate) struct DetachedProcessSends;

static INFO: RuleInfo = RuleInfo {
    id: "detached-process-sends",
    title: "A process left behind acted on the network",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1071.001", "T1543"],
    explanation: "A process of the package outlived the command that started it and spoke to another machine while nothing of ours was \
                  running any more. One that was started while programs and functions were tried out is less grave: a \
                  server may do so.",
};

impl Rule for DetachedProcessSends {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_start: BTreeMap<(Owner, bool), Vec<&PackageFlow<'_>>> = BTreeMap::new();
        for sent in view.flows() {
            if sent.flow.phase == Phase::Linger {
                let tried_out = started(view, sent).is_some_and(|phase| phase == Phase::Execute);
                let key = (sent.owner.clone(), tried_out);
                by_start.entry(key).or_default().push(sent);
            }
        }
        by_start
            .into_iter()
            .filter_map(|((_, tried_out), sent)| hit(view, tried_out, &sent))
            .collect()
    }
}

/// Phase the tree of the speaker began in.
fn started(view: &View<'_>, sent: &PackageFlow<'_>) -> Option<Phase> {
    let root = view.process(sent.tree?)?;
    Some(root.phase)
}

fn hit(view: &View<'_>, tried_out: bool, sent: &[&PackageFlow<'_>]) -> Option<Hit> {
    let first = sent.first()?;
    let peers = list(sent.iter().map(|sent| view.peer(sent.flow)), 3);
    let begun = match started(view, first) {
        Some(phase) => format!(" (started {})", view.when(phase, first.tree)),
        None => String::new(),
    };
    let clause =
        format!("leaves a process behind{begun} that contacts {peers} after its command has ended");
    let mut hit = Hit::new(&INFO, &first.owner, Phase::Linger, clause);
    if tried_out {
        hit = hit.graded(Severity::Medium, Confidence::Medium);
    }
    for sent in sent.iter().take(5) {
        hit = hit.flow(view, sent.flow);
    }
    Some(hit)
}

#[cfg(test)]
mod tests {
    use apa_model::{Phase, Severity};

    use crate::testing::Scene;

    #[test]
    fn a_daemon_of_an_install_hook_that_speaks_later_is_found() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.hook(hook, "postinstall");
        let daemon = scene.child(hook, "/usr/bin/node", &["node", "d.js"]);
        scene
            .phase(Phase::Linger)
            .at(daemon)
            .http("POST https://c2.test/", 10);
        let finding = scene.finding("detached-process-sends");
        assert_eq!(finding.severity, Severity::High);
        assert!(
            finding
                .explanation
                .to_string()
                .contains("(started in its postinstall hook) that contacts c2.test:443")
        );
    }

    #[test]
    fn a_process_started_while_trying_out_is_less_grave() {
        let mut scene = Scene::npm("left-pad");
        let server = scene
            .phase(Phase::Execute)
            .package("/usr/bin/node", &["node"]);
        scene
            .phase(Phase::Linger)
            .at(server)
            .http("GET https://x.test/", 0);
        assert_eq!(
            scene.finding("detached-process-sends").severity,
            Severity::Medium
        );
    }

    #[test]
    fn speaking_while_the_command_runs_is_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).http("POST https://c2.test/", 10);
        assert!(scene.findings("detached-process-sends").is_empty());
    }
}
