use apa_model::{Confidence, Event, EventKind, Hostile, Phase, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::programs;
use crate::view::{PackageFlow, View, network};

pub(crate) struct RegistryPublish;

static INFO: RuleInfo = RuleInfo {
    id: "registry-publish",
    title: "Tried to use or publish with a registry account",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1195.001", "T1528"],
    explanation: "Package code ran `npm publish`, `twine upload` and the like, or spoke the registry's publish, token or whoami interface. Asking \
                  who is logged in is less sure than publishing, and low where it is only a request of a function that we called.",
};

impl Rule for RegistryPublish {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut hits: Vec<Hit> = view
            .programs()
            .iter()
            .filter_map(|event| ran(view, event))
            .collect();
        hits.extend(view.flows().iter().filter_map(|sent| spoke(view, sent)));
        hits
    }
}

/// What a command line does with an account.
fn use_of_account(argv: &[Hostile]) -> Option<(&'static str, Confidence)> {
    let words: Vec<_> = argv.iter().take(8).map(Hostile::lossy).collect();
    let tool = words.iter().position(|word| {
        matches!(
            programs::base_name(word),
            "npm"
                | "npm-cli.js"
                | "yarn"
                | "yarn.js"
                | "pnpm"
                | "pnpm.cjs"
                | "twine"
                | "gh"
                | "poetry"
                | "flit"
                | "uv"
        )
    })?;
    let name = programs::base_name(&words[tool]);
    let command = words
        .iter()
        .skip(tool + 1)
        .find(|word| !word.starts_with('-'))?;
    match (name, command.as_ref()) {
        ("gh", "auth") => Some(("uses the code host's account", Confidence::Medium)),
        ("gh", _) => None,
        (_, "publish") | ("twine", "upload") => Some(("publishes a package", Confidence::High)),
        (_, "whoami" | "token" | "adduser" | "owner") => {
            Some(("asks for the registry account", Confidence::Medium))
        }
        _ => None,
    }
}

fn ran(view: &View<'_>, event: &Event) -> Option<Hit> {
    let EventKind::Exec { argv, .. } = &event.kind else {
        return None;
    };
    let (what, confidence) = use_of_account(argv)?;
    let line: Vec<String> = argv
        .iter()
        .take(4)
        .map(|word| word.shortened(60).to_string())
        .collect();
    let line = line.join(" ");
    let when = view.when(event.phase, Some(event.process));
    let clause = format!("{what} ({line}) {when}");
    Some(
        Hit::new(&INFO, &event.owner, event.phase, clause)
            .graded(Severity::High, confidence)
            .event(view, event, format!("executed: {line}")),
    )
}

fn spoke(view: &View<'_>, sent: &PackageFlow<'_>) -> Option<Hit> {
    let (what, confidence) = sent.flow.messages.iter().find_map(|message| {
        let path = network::url_path(message);
        let method = network::method(message);
        let upload = method == "POST" && (path.ends_with("/legacy/") || path == "/pypi");
        // The gateway says that it is a registry; elsewhere the path has to.
        let known = sent.flow.layers.iter().any(|layer| layer == "registry");
        let change = known && matches!(method.as_str(), "PUT" | "DELETE" | "PATCH" | "POST");
        let attachment =
            change || method == "PUT" && message.body_bytes > 0 && is_publish_path(&path);
        let account = path.ends_with("/-/whoami")
            || path.contains("/-/npm/v1/tokens")
            || path.contains("/-/npm/v1/user")
            || path.contains("/-/user/org.couchdb.user:");
        if upload || (attachment && !account) {
            return Some(("publishes a package to", Confidence::High));
        }
        account.then_some(("asks for the registry account at", Confidence::Medium))
    })?;
    let flow = sent.flow;
    let when = view.when(flow.phase, flow.process);
    let clause = format!("{what} {} {when}", view.peer(flow));
    let called = flow.phase == Phase::Execute && confidence < Confidence::High;
    let severity = if called {
        Severity::Low
    } else {
        Severity::High
    };
    Some(
        Hit::new(&INFO, &sent.owner, flow.phase, clause)
            .graded(severity, confidence)
            .flow(view, flow),
    )
}

/// npm publishes with `PUT /NAME` or `PUT /@scope%2fname`, and sets tags below `/-/package/`.
fn is_publish_path(path: &str) -> bool {
    let path = path.trim_start_matches('/');
    path.starts_with("-/package/") || (path.starts_with('@') && path.to_lowercase().contains("%2f"))
}

#[cfg(test)]
mod tests {
    use apa_model::{Confidence, Phase, Severity};

    use crate::testing::Scene;

    #[test]
    fn publishing_is_found_as_a_command_and_as_a_request() {
        let mut scene = Scene::npm("left-pad");
        scene.package(
            "/usr/bin/node",
            &["node", "/usr/bin/npm", "--silent", "publish"],
        );
        assert_eq!(
            scene.finding("registry-publish").confidence,
            Confidence::High
        );

        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).http("PUT https://registry.test/@a%2fb", 900);
        assert_eq!(
            scene.finding("registry-publish").confidence,
            Confidence::High
        );
    }

    #[test]
    fn at_a_known_registry_every_change_counts() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).http("PUT /npm/left-pad", 900);
        let flow = scene.observation_mut().flows.last_mut().unwrap();
        flow.layers.push("registry".into());
        assert_eq!(
            scene.finding("registry-publish").confidence,
            Confidence::High
        );
    }

    #[test]
    fn asking_who_is_logged_in_is_less_sure() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).http("GET https://registry.test/-/whoami", 0);
        assert_eq!(
            scene.finding("registry-publish").confidence,
            Confidence::Medium
        );
    }

    #[test]
    fn a_client_that_asks_when_it_is_called_is_low_and_one_that_publishes_is_not() {
        let mut scene = Scene::npm("left-pad");
        let node = scene
            .phase(Phase::Execute)
            .package("/usr/bin/node", &["node"]);
        scene.at(node).http("GET https://registry.test/-/whoami", 0);
        assert_eq!(scene.finding("registry-publish").severity, Severity::Low);
        scene.at(node).http("PUT https://registry.test/@a%2fb", 900);
        assert_eq!(scene.finding("registry-publish").severity, Severity::High);
    }

    #[test]
    fn installing_and_other_programs_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        scene.package("/usr/bin/node", &["node", "/usr/bin/npm", "install"]);
        scene.package("/usr/bin/node", &["node", "publish"]);
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).http("PUT https://storage.test/bucket/x", 90);
        assert!(scene.findings("registry-publish").is_empty());
    }
}
