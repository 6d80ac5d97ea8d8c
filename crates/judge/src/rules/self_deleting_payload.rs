use std::collections::BTreeMap;

use apa_model::{Confidence, Event, EventKind, Hostile, Phase, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::paths;
use crate::view::{View, absolute, may_have_worked, reads, written_path};

pub(crate) struct SelfDeletingPayload;

static INFO: RuleInfo = RuleInfo {
    id: "self-deleting-payload",
    title: "Code of the package removed itself after running",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1070.004"],
    explanation: "A program or script that came with the package ran and was then deleted by package code, or the package's own manifest was \
                  rewritten. Both together are high, one alone is medium, and low when a program or function did it that we tried out \
                  (a package manager that installs itself anew). Deleting build products, caches and files that were never run \
                  is left alone.",
};

impl Rule for SelfDeletingPayload {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        view.trees()
            .filter_map(|(_, acts)| hit(view, acts))
            .collect()
    }
}

fn hit(view: &View<'_>, acts: &[&Event]) -> Option<Hit> {
    let mut ran: BTreeMap<String, &Event> = BTreeMap::new();
    let mut deleted: Vec<(String, &Event)> = Vec::new();
    let mut rewritten: Vec<(String, &Event)> = Vec::new();
    for act in acts.iter().filter(|act| may_have_worked(act.outcome)) {
        for path in run_by(view, act) {
            ran.entry(path).or_insert(*act);
        }
        let gone = match &act.kind {
            EventKind::Unlink { path, .. } | EventKind::Rename { from: path, .. } => Some(path),
            _ => None,
        };
        if let Some(path) = gone.map(Hostile::lossy)
            && ran.contains_key(path.as_ref())
        {
            deleted.push((view.short(&path), act));
        }
        if let Some(path) = written_path(&act.kind).map(Hostile::lossy)
            && is_manifest(view, &path)
        {
            rewritten.push((view.short(&path), act));
        }
    }
    let deletes = list(deleted.iter().map(|(path, _)| path.clone()), 3);
    let rewrites = list(rewritten.iter().map(|(path, _)| path.clone()), 3);
    let what = match (deleted.is_empty(), rewritten.is_empty()) {
        (true, true) => return None,
        (false, true) => format!("deletes its own {deletes} after running it"),
        (true, false) => format!("rewrites its own {rewrites}"),
        (false, false) => {
            format!("deletes its own {deletes} after running it, rewrites its own {rewrites}")
        }
    };
    let (_, first) = deleted.first().or(rewritten.first())?;
    let when = view.when(first.phase, Some(first.process));
    let mut hit = Hit::new(&INFO, &first.owner, first.phase, format!("{what} {when}"));
    if first.phase == Phase::Execute && deleted.is_empty() {
        hit = hit.graded(Severity::Low, Confidence::Medium);
    } else if deleted.is_empty() || rewritten.is_empty() {
        hit = hit.graded(Severity::Medium, Confidence::Medium);
    }
    for (path, event) in deleted.iter().take(4) {
        hit = hit.event(view, event, format!("{path} deleted"));
    }
    for (path, event) in rewritten.iter().take(4) {
        hit = hit.event(view, event, format!("{path} rewritten"));
    }
    Some(hit)
}

/// Files of the package that an act runs: programs, scripts given to interpreters, loaded modules.
fn run_by(view: &View<'_>, event: &Event) -> Vec<String> {
    let candidates: Vec<String> = match &event.kind {
        EventKind::Exec { exe, argv, cwd, .. } => std::iter::once(exe.lossy().into_owned())
            .chain(
                argv.iter()
                    .skip(1)
                    .take(8)
                    .map(|argument| absolute(argument, cwd)),
            )
            .collect(),
        EventKind::Open {
            path,
            access,
            create: false,
            ..
        } if reads(*access) => {
            vec![path.lossy().into_owned()]
        }
        _ => Vec::new(),
    };
    candidates
        .into_iter()
        .filter(|path| (is_code(path) && view.is_package_file(path)) || is_build_script(path))
        .collect()
}

/// The script that drives a build, not one of its products that bears the same name.
fn is_build_script(path: &str) -> bool {
    paths::is_build_area(path) && path.ends_with("/setup.py") && !path.contains("/build/")
}

fn is_code(path: &str) -> bool {
    [".js", ".cjs", ".mjs", ".py", ".sh", ".pl", ".rb", ".ps1"]
        .iter()
        .any(|extension| path.ends_with(extension))
}

fn is_manifest(view: &View<'_>, path: &str) -> bool {
    view.observation
        .package_dirs
        .iter()
        .any(|dir| path == format!("{}/package.json", dir.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use apa_model::{Phase, Severity};

    use crate::testing::Scene;

    const PACKAGE: &str = "/home/kim/app/node_modules/left-pad";

    #[test]
    fn a_hook_that_removes_itself_and_cleans_the_manifest_is_high() {
        let mut scene = Scene::npm("left-pad");
        let script = format!("{PACKAGE}/setup.js");
        let hook = scene.package("/usr/bin/node", &["node", &script]);
        scene.at(hook).unlink(&script);
        assert_eq!(
            scene.finding("self-deleting-payload").severity,
            Severity::Medium
        );
        scene.at(hook).rename(
            &format!("{PACKAGE}/package.md"),
            &format!("{PACKAGE}/package.json"),
        );
        let finding = scene.finding("self-deleting-payload");
        assert_eq!(finding.severity, Severity::High);
        assert_eq!(finding.evidence.len(), 2);
    }

    #[test]
    fn cleaning_up_what_was_never_run_is_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node", "x.js"]);
        scene
            .at(hook)
            .read(&format!("{PACKAGE}/package.json"))
            .unlink(&format!("{PACKAGE}/prebuilds/darwin.node"))
            .unlink(&format!("{PACKAGE}/test/unused.js"))
            .write("/home/kim/app/package.json");
        assert!(scene.findings("self-deleting-payload").is_empty());
    }

    #[test]
    fn a_package_manager_that_installs_itself_anew_when_used_is_low() {
        let mut scene = Scene::npm("left-pad");
        let node = scene
            .phase(Phase::Execute)
            .package("/usr/bin/node", &["node"]);
        scene.at(node).write(&format!("{PACKAGE}/package.json"));
        let finding = scene.finding("self-deleting-payload");
        assert_eq!(finding.severity, Severity::Low);
    }

    #[test]
    fn a_builds_product_that_is_called_setup_py_is_not_the_build_script() {
        let mut scene = Scene::pypi("left-pad");
        let build = scene.package("/usr/bin/python3", &["python3", "setup.py"]);
        let product = "/tmp/pip-req-build-ab12cd34/build/bdist.linux-x86_64/wheel/a/setup.py";
        scene.at(build).read(product).unlink(product);
        assert!(scene.findings("self-deleting-payload").is_empty());
        let script = "/tmp/pip-req-build-ab12cd34/setup.py";
        scene.at(build).read(script).unlink(script);
        assert_eq!(scene.findings("self-deleting-payload").len(), 1);
    }

    #[test]
    fn the_manager_removing_a_package_is_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let script = format!("{PACKAGE}/setup.js");
        let npm = scene.manager("/usr/bin/node", &["npm", "uninstall"]);
        scene.at(npm).read(&script).unlink(&script);
        assert!(scene.findings("self-deleting-payload").is_empty());
    }
}
