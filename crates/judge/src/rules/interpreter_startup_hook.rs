use apa_model::{Confidence, Event, EventKind, Phase, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::paths;
use crate::view::View;

pub(crate) struct InterpreterStartupHook;

static INFO: RuleInfo = RuleInfo {
    id: "interpreter-startup-hook",
    title: "Code acts at every start of the interpreter",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1546.018"],
    explanation: "Package code wrote a `.pth`, `sitecustomize.py` or `usercustomize.py` where Python looks for them, or code shipped that way \
                  started a program or contacted a machine while a bare interpreter started. Files the package manager \
                  unpacks and those inside a build folder are left alone as long as they do not act.",
};

impl Rule for InterpreterStartupHook {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut hits: Vec<Hit> = view
            .writes()
            .filter_map(|(event, path)| {
                let text = path.lossy();
                paths::is_interpreter_hook(&text).then(|| planted(view, event, &text))
            })
            .collect();
        hits.extend(acted(view));
        hits
    }
}

fn planted(view: &View<'_>, event: &Event, path: &str) -> Hit {
    let path = view.short(path);
    let when = view.when(event.phase, Some(event.process));
    let clause = format!("plants {path}, which every start of Python runs, {when}");
    let hit = Hit::new(&INFO, &event.owner, event.phase, clause);
    let hit = if event.outcome.failed() {
        hit.graded(Severity::High, Confidence::Medium)
    } else {
        hit
    };
    hit.event(view, event, format!("{path} written"))
}

/// Programs started and machines contacted while nothing but the interpreter was started.
fn acted(view: &View<'_>) -> Option<Hit> {
    let started: Vec<(&Event, String)> = view
        .acts()
        .iter()
        .filter(|event| event.phase == Phase::InterpreterStart)
        .filter_map(|event| {
            let EventKind::Exec { exe, .. } = &event.kind else {
                return None;
            };
            // The first process of a command is our own doing.
            view.process(event.process)?.parent?;
            Some((*event, view.short(&exe.lossy())))
        })
        .collect();
    let contacted: Vec<_> = view
        .flows()
        .iter()
        .filter(|sent| sent.flow.phase == Phase::InterpreterStart)
        .collect();
    let programs = list(started.iter().map(|(_, exe)| exe.clone()), 3);
    let peers = list(contacted.iter().map(|sent| view.peer(sent.flow)), 3);
    let what = match (started.is_empty(), contacted.is_empty()) {
        (true, true) => return None,
        (false, true) => format!("starts {programs}"),
        (true, false) => format!("contacts {peers}"),
        (false, false) => format!("starts {programs} and contacts {peers}"),
    };
    let owner = match (started.first(), contacted.first()) {
        (Some((event, _)), _) => &event.owner,
        (None, Some(sent)) => &sent.owner,
        (None, None) => return None,
    };
    let clause = format!("{what} whenever an interpreter starts");
    let mut hit = Hit::new(&INFO, owner, Phase::InterpreterStart, clause);
    for (event, exe) in started.iter().take(4) {
        hit = hit.event(view, event, format!("{exe} executed"));
    }
    for sent in contacted.iter().take(4) {
        hit = hit.flow(view, sent.flow);
    }
    Some(hit)
}

#[cfg(test)]
mod tests {
    use apa_model::Phase;

    use crate::testing::Scene;

    const SITE: &str = "/home/kim/app/venv/lib/python3.13/site-packages";

    #[test]
    fn a_hook_written_at_run_time_is_found() {
        let mut scene = Scene::pypi("left-pad");
        let python = scene
            .phase(Phase::Import)
            .package("/usr/bin/python3", &["python3"]);
        scene.at(python).write(&format!("{SITE}/helper.pth"));
        let finding = scene.finding("interpreter-startup-hook");
        assert!(
            finding
                .explanation
                .to_string()
                .contains("site-packages/helper.pth")
        );
    }

    #[test]
    fn a_shipped_hook_that_acts_is_found() {
        let mut scene = Scene::pypi("left-pad");
        let python = scene
            .phase(Phase::InterpreterStart)
            .package("/usr/bin/python3", &["python3", "-c", "pass"]);
        scene.at(python).http("POST https://collect.test/", 20);
        scene.child(python, "/usr/bin/sh", &["sh", "-c", "id"]);
        let finding = scene.finding("interpreter-startup-hook");
        assert_eq!(
            finding.explanation.to_string(),
            "Starts /usr/bin/sh and contacts collect.test:443 whenever an interpreter starts."
        );
    }

    #[test]
    fn unpacked_built_and_idle_hooks_are_left_alone() {
        let mut scene = Scene::pypi("left-pad");
        let pip = scene.manager("/usr/bin/python3", &["pip", "install"]);
        scene
            .at(pip)
            .write(&format!("{SITE}/distutils-precedence.pth"));
        let setup = scene.package("/usr/bin/python3", &["python3", "setup.py"]);
        scene
            .at(setup)
            .write("/tmp/pip-install-abcdefgh/x/build/lib/site-packages/x.pth");
        scene
            .phase(Phase::InterpreterStart)
            .package("/usr/bin/python3", &["python3", "-c", "pass"]);
        assert!(scene.findings("interpreter-startup-hook").is_empty());
    }
}
