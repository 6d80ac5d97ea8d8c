use std::collections::BTreeMap;

use apa_model::{Confidence, Phase, ProcessId, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::paths::Credential;
use crate::view::{PackageFlow, SecretRead, View, network};

pub(crate) struct CredentialReadThenSend;

static INFO: RuleInfo = RuleInfo {
    id: "credential-read-then-send",
    title: "Credentials were opened, then data was sent",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1552.001", "T1041"],
    explanation: "Within one process tree package code opened stored credentials and later sent something to another machine. The secret \
                  itself need not be seen in it: it may be encrypted. A request without a body, and clients that are called with \
                  arguments of ours, make it less sure; of the latter only what has room for a secret counts.",
};

impl Rule for CredentialReadThenSend {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_tree: BTreeMap<ProcessId, Vec<&SecretRead<'_>>> = BTreeMap::new();
        for read in view.secret_reads() {
            if read.kind != Some(Credential::DotEnv) {
                let tree = view.tree_of(read.event.process);
                by_tree.entry(tree).or_default().push(read);
            }
        }
        by_tree
            .into_iter()
            .filter_map(|(tree, reads)| hit(view, tree, &reads))
            .collect()
    }
}

fn hit(view: &View<'_>, tree: ProcessId, reads: &[&SecretRead<'_>]) -> Option<Hit> {
    let first = reads.iter().min_by_key(|read| read.event.at_us)?;
    let mut sent: Vec<&PackageFlow<'_>> = view.sends_after_read(tree, first.event).collect();
    // Content weighs more than a question.
    sent.sort_by_key(|sent| !network::sends_content(sent.flow));
    let flow = sent.first()?.flow;
    let sure = network::sends_content(flow) && first.event.phase != Phase::Execute;
    let what = list(reads.iter().map(|read| view.short(&read.path)), 4);
    let when = view.when(first.event.phase, Some(first.event.process));
    let clause = format!(
        "opens {what} and then sends data to {} {when}",
        view.peer(flow)
    );
    let mut hit = Hit::new(&INFO, &first.event.owner, first.event.phase, clause);
    if !sure {
        hit = hit.graded(Severity::High, Confidence::Medium);
    }
    for read in reads.iter().take(4) {
        hit = hit.event(
            view,
            read.event,
            format!("{} opened", view.short(&read.path)),
        );
    }
    for sent in sent.iter().take(4) {
        hit = hit.flow(view, sent.flow);
    }
    Some(hit)
}

#[cfg(test)]
mod tests {
    use apa_model::{Confidence, Phase};

    use crate::testing::Scene;

    #[test]
    fn a_child_that_sends_what_its_parent_read_is_found() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).read("/home/kim/.aws/credentials");
        let curl = scene.child(hook, "/usr/bin/curl", &["curl"]);
        scene.at(curl).http("POST https://collect.test/u", 500);
        let finding = scene.finding("credential-read-then-send");
        assert_eq!(finding.confidence, Confidence::High);
        assert!(
            finding
                .explanation
                .to_string()
                .starts_with("Opens ~/.aws/credentials and then sends data to collect.test:443")
        );
    }

    #[test]
    fn what_git_reads_to_print_it_for_the_package_is_found_and_what_it_reads_for_itself_is_not() {
        let found = |arguments: &[&str]| {
            let mut scene = Scene::npm("left-pad");
            let hook = scene.package("/usr/bin/node", &["node"]);
            let git = scene.child(hook, "/usr/bin/git", arguments);
            scene.at(git).read("/home/kim/.git-credentials");
            scene.at(hook).http("POST https://collect.test/u", 500);
            scene.findings("credential-read-then-send").len()
        };
        assert_eq!(found(&["git", "credential", "fill"]), 1);
        assert_eq!(found(&["git", "fetch"]), 0);
    }

    #[test]
    fn a_secret_by_another_name_is_found_and_told_by_its_own() {
        for way in ["link", "rename", "copy"] {
            let mut scene = Scene::npm("left-pad");
            let first = scene.package("/usr/bin/node", &["node"]);
            let (key, other) = ("/home/kim/.ssh/id_rsa", "/tmp/notes");
            match way {
                "link" => scene.at(first).link(key, other),
                "rename" => scene.at(first).rename(key, other),
                _ => {
                    let cp = scene.child(first, "/usr/bin/cp", &["cp", key, other]);
                    scene.at(cp).read(key).write(other)
                }
            };
            let second = scene.package("/usr/bin/node", &["node"]);
            scene.at(second).read(other);
            scene.at(second).http("POST https://collect.test/u", 500);
            let finding = scene.finding("credential-read-then-send");
            let told = finding.explanation.to_string();
            assert!(told.starts_with("Opens ~/.ssh/id_rsa "), "{way}: {told}");
        }
    }

    #[test]
    fn a_bare_request_is_less_sure() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).read("/home/kim/.aws/credentials");
        scene.at(hook).http("GET https://collect.test/u", 0);
        let finding = scene.finding("credential-read-then-send");
        assert_eq!(finding.confidence, Confidence::Medium);
    }

    #[test]
    fn a_called_clients_short_question_is_left_alone_and_a_long_one_is_not() {
        let findings = |request: &str, body| {
            let mut scene = Scene::pypi("client");
            let python = scene
                .phase(Phase::Execute)
                .package("/usr/bin/python3", &["python3"]);
            scene.at(python).read("/home/kim/.pypirc");
            scene.at(python).http(request, body);
            scene.findings("credential-read-then-send").len()
        };
        assert_eq!(findings("GET https://index.test/audience", 0), 0);
        assert_eq!(findings("POST https://index.test/audience", 400), 1);
        let long = format!("GET https://collect.test/{}", "c2VjcmV0".repeat(40));
        assert_eq!(findings(&long, 0), 1);
    }

    #[test]
    fn sending_before_reading_or_in_another_tree_is_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).http("POST https://collect.test/u", 10);
        scene.at(hook).read("/home/kim/.aws/credentials");
        let other = scene.package("/usr/bin/node", &["node"]);
        scene.at(other).http("POST https://collect.test/u", 10);
        assert!(scene.findings("credential-read-then-send").is_empty());
    }
}
