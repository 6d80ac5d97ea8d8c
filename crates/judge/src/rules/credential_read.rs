use std::collections::BTreeMap;

use apa_model::{Confidence, Severity};

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
    explanation: "Code of the package opened a place where keys, tokens, browser logins or wallets are kept. Tools of the system that \
                  read their own settings (npm its `.npmrc`, ssh its keys) are left alone; a project's `.env`, which libraries read \
                  openly, counts as low.",
};

impl Rule for CredentialRead {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_tree: BTreeMap<_, Vec<SecretRead<'_>>> = BTreeMap::new();
        for read in view.secret_reads() {
            let tree = view.tree_of(read.event.process);
            let key = (read.event.owner.clone(), tree, read.event.phase);
            by_tree.entry(key).or_default().push(read);
        }
        by_tree
            .into_values()
            .filter_map(|reads| hit(view, &reads))
            .collect()
    }
}

fn hit(view: &View<'_>, reads: &[SecretRead<'_>]) -> Option<Hit> {
    let event = reads.first()?.event;
    let what = list(reads.iter().map(|read| view.short(&read.path)), 4);
    let when = view.when(event.phase, Some(event.process));
    let mut hit = Hit::new(
        &INFO,
        &event.owner,
        event.phase,
        format!("opens {what} {when}"),
    );
    if reads
        .iter()
        .all(|read| read.kind == Some(Credential::DotEnv))
    {
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
    use apa_model::Severity;

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
    fn a_dotenv_of_the_project_is_low() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).read("/home/kim/app/.env");
        assert_eq!(scene.finding("credential-read").severity, Severity::Low);
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
