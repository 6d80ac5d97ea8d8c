use std::collections::BTreeMap;

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
                  read their own settings (npm its `.npmrc`, ssh its keys) are left alone. A project's `.env`, which libraries read \
                  openly, and a manager's settings while programs and functions are tried out count as low.",
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
                && view.has_sends_after(tree, read.event.at_us);
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
    let all = |kind| reads.iter().all(|read| read.kind == Some(kind));
    let settings = event.phase == Phase::Execute && all(Credential::RegistryToken);
    if all(Credential::DotEnv) || settings {
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
        scene.at(node).read("/home/kim/.ssh/id_rsa");
        assert_eq!(scene.finding("credential-read").severity, Severity::Medium);
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
