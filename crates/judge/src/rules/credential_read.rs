use std::collections::{BTreeMap, BTreeSet};

use apa_model::{Confidence, Phase, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::paths::Credential;
use crate::view::{SecretRead, View};

pub(crate) struct CredentialRead;

static INFO: RuleInfo = RuleInfo {
    id: "credential-read",
    title: "Package code opened stored credentials",
    severity: Severity::Medium,
    confidence: Confidence::High,
    attack: &["T1552.001", "T1552.004", "T1555.003"],
    explanation: "Code of the package opened a place where keys, tokens, browser logins or wallets are kept, and its process tree sent nothing \
                  afterwards (that is `credential-read-then-send`). Tools of the system that \
                  read their own settings (npm its `.npmrc`, ssh its keys) are left alone. Low are a project's `.env` and a manager's settings \
                  at import, which libraries read openly, and what a program or function opens that we tried out, as long as it is one \
                  kind of credential: a client of a service looks for those of its service, a thief for several.",
};

impl Rule for CredentialRead {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_tree: BTreeMap<_, Vec<&SecretRead<'_>>> = BTreeMap::new();
        for read in view.secret_reads() {
            let tree = view.tree_of(read.event.process);
            // Told by `credential-read-then-send`.
            let sent = read.kind != Some(Credential::DotEnv)
                && view.has_sends_after_read(tree, read.event);
            if sent {
                continue;
            }
            let key = (read.event.owner.clone(), tree, read.event.phase);
            by_tree.entry(key).or_default().push(read);
        }
        by_tree
            .into_values()
            .filter_map(|reads| hit(view, &reads))
            .collect()
    }
}

fn hit(view: &View<'_>, reads: &[&SecretRead<'_>]) -> Option<Hit> {
    let event = reads.first()?.event;
    let what = list(reads.iter().map(|read| view.short(&read.path)), 4);
    let when = view.when(event.phase, Some(event.process));
    let mut hit = Hit::new(
        &INFO,
        &event.owner,
        event.phase,
        format!("opens {what} {when}"),
    );
    if is_openly_read(event.phase, reads) {
        hit = hit.graded(Severity::Low, Confidence::Low);
    }
    for read in reads.iter().take(8) {
        hit = hit.event(
            view,
            read.event,
            format!("{} opened", view.short(&read.path)),
        );
    }
    Some(hit)
}

/// What clients of a service do as well: a capability, and no reason for suspicion by itself.
fn is_openly_read(phase: Phase, reads: &[&SecretRead<'_>]) -> bool {
    let kinds: BTreeSet<_> = reads.iter().map(|read| read.kind).collect();
    let [Some(kind)] = Vec::from_iter(kinds)[..] else {
        return false;
    };
    match kind {
        Credential::DotEnv => true,
        Credential::RegistryToken => matches!(phase, Phase::Import | Phase::Execute),
        Credential::Browser
        | Credential::Wallet
        | Credential::Chat
        | Credential::Account
        | Credential::ShellHistory => false,
        Credential::Ssh
        | Credential::Cloud
        | Credential::Git
        | Credential::Container
        | Credential::Keyring => phase == Phase::Execute,
    }
}

#[cfg(test)]
mod tests {
    use apa_model::{Phase, Severity};

    use crate::testing::Scene;

    #[test]
    fn keys_and_browser_logins_are_named() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(hook)
            .read("/home/kim/.ssh/id_ed25519")
            .read("/home/kim/.config/google-chrome/Default/Login Data");
        let finding = scene.finding("credential-read");
        assert_eq!(finding.severity, Severity::Medium);
        assert!(
            finding
                .explanation
                .to_string()
                .contains("~/.ssh/id_ed25519 and ~/.config/google-chrome/Default/Login Data")
        );
    }

    #[test]
    fn what_is_sent_afterwards_is_told_by_the_graver_rule() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(hook)
            .read("/home/kim/.ssh/id_rsa")
            .http("POST https://collect.test/", 9);
        assert!(scene.findings("credential-read").is_empty());
        assert_eq!(scene.findings("credential-read-then-send").len(), 1);
    }

    #[test]
    fn a_dotenv_of_the_project_is_low() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).read("/home/kim/app/.env");
        assert_eq!(scene.finding("credential-read").severity, Severity::Low);
    }

    #[test]
    fn a_tool_that_looks_up_registry_settings_when_used_is_low() {
        let mut scene = Scene::npm("left-pad");
        let node = scene
            .phase(Phase::Execute)
            .package("/usr/bin/node", &["node"]);
        scene.at(node).read("/home/kim/.npmrc");
        assert_eq!(scene.finding("credential-read").severity, Severity::Low);
        // Two kinds: no client of one service.
        scene.at(node).read("/home/kim/.ssh/id_rsa");
        assert_eq!(scene.finding("credential-read").severity, Severity::Medium);
    }

    #[test]
    fn a_client_that_looks_for_its_own_credentials_when_used_is_low() {
        for place in [
            ".ssh/id_rsa",
            ".aws/credentials",
            ".kube/config",
            ".git-credentials",
        ] {
            let mut scene = Scene::pypi("client");
            let python = scene
                .phase(Phase::Execute)
                .package("/usr/bin/python3", &["python3"]);
            scene.at(python).read(&format!("/home/kim/{place}"));
            let finding = scene.finding("credential-read");
            assert_eq!(finding.severity, Severity::Low, "{place}");
            // A question carries nothing away; an answer to it makes no thief.
            scene.at(python).http("GET https://service.test/v1/ping", 0);
            let finding = scene.finding("credential-read");
            assert_eq!(finding.severity, Severity::Low, "{place}");
        }
    }

    #[test]
    fn browser_logins_are_nobodys_own_also_when_used() {
        let mut scene = Scene::pypi("client");
        let python = scene
            .phase(Phase::Execute)
            .package("/usr/bin/python3", &["python3"]);
        scene
            .at(python)
            .read("/home/kim/.config/google-chrome/Default/Login Data");
        assert_eq!(scene.finding("credential-read").severity, Severity::Medium);
    }

    #[test]
    fn registry_settings_are_read_openly_at_import_and_not_by_a_hook() {
        let severity = |phase| {
            let mut scene = Scene::npm("left-pad");
            let node = scene.phase(phase).package("/usr/bin/node", &["node"]);
            scene.at(node).read("/home/kim/.npmrc");
            scene.finding("credential-read").severity
        };
        assert_eq!(severity(Phase::Import), Severity::Low);
        assert_eq!(severity(Phase::Install), Severity::Medium);
    }

    #[test]
    fn managers_own_tools_failures_and_mere_looks_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        scene.at(npm).read("/home/kim/.npmrc");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).stat("/home/kim/.ssh/id_rsa");
        scene.at(hook).failing(2).read("/home/kim/.ssh/id_rsa");
        let script = "/usr/lib/node_modules/npm/bin/npm-cli.js";
        let own = scene.child(hook, "/usr/bin/node", &["node", script, "install"]);
        scene.at(own).read("/home/kim/.npmrc");
        assert!(scene.findings("credential-read").is_empty());
    }
}
