use apa_model::{Confidence, Event, EventKind, Phase, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::paths;
use crate::programs;
use crate::view::{Execution, View, Writer};

pub(crate) struct DroppedFileExecuted;

static INFO: RuleInfo = RuleInfo {
    id: "dropped-file-executed",
    title: "Package code wrote a program and ran it",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1105", "T1222.002", "T1204"],
    explanation: "A file that code of the package wrote during the run was executed, itself or by an interpreter. What the package manager \
                  unpacked from a registry (also through links and renames), what a compiler made during a build, and \
                  scripts a build generates in its own folder are left alone; so is a wrapper that hands all its arguments to the \
                  system's program of the same name. A program in the package's own folder counts \
                  less than one in a temporary or hidden place, unless it is deleted afterwards. Machine code that is written and then \
                  opened again (a library loaded into a running program) is less sure, a script even less; a library that \
                  the package's archive holds and the package unpacks is left alone.",
};

impl Rule for DroppedFileExecuted {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        view.executions()
            .iter()
            .filter(|run| run.origin.writer == Writer::Package)
            .filter_map(|run| hit(view, run))
            .chain(view.loads().iter().filter_map(|load| loaded(view, load)))
            .collect()
    }
}

/// Machine code, or a script in a temporary or hidden place, that was opened again after it had been written.
fn loaded(view: &View<'_>, load: &Execution<'_>) -> Option<Hit> {
    let event = load.event;
    let told = view.executions().iter().any(|run| run.path == load.path);
    let aside = paths::is_temporary(&load.path) || load.path.contains("/.");
    if told || view.is_own(&load.path) || (load.script && !aside) || is_shipped(view, &load.path) {
        return None;
    }
    let path = view.short(&load.path);
    let when = view.when(event.phase, Some(event.process));
    let clause = format!("writes {path} and loads it into a running program {when}");
    let hit = Hit::new(&INFO, &event.owner, event.phase, clause);
    let hit = match (load.script, event.phase) {
        (false, _) => hit.graded(Severity::High, Confidence::Medium),
        (true, Phase::Execute) => hit.graded(Severity::Low, Confidence::Low),
        (true, _) => hit.graded(Severity::Medium, Confidence::Medium),
    };
    let hit = hit
        .event(view, event, format!("{path} opened"))
        .kept_file(view, &load.path);
    Some(match load.origin.event {
        Some(write) => hit.event(view, write, format!("{path} written")),
        None => hit,
    })
}

/// A library that the package brings along in its archive, which Java cannot load from there: it has to be unpacked
/// first. In other ecosystems the package manager does that.
fn is_shipped(view: &View<'_>, path: &str) -> bool {
    let observation = view.observation;
    let mut kept = observation
        .dropped
        .iter()
        .filter(|dropped| dropped.path.as_bytes() == path.as_bytes())
        .filter_map(|dropped| dropped.sha256.as_ref())
        .filter(|sha256| observation.machine_code.contains(*sha256))
        .peekable();
    kept.peek().is_some() && kept.all(|sha256| observation.shipped.contains(sha256))
}

fn hit(view: &View<'_>, run: &Execution<'_>) -> Option<Hit> {
    let own = view.is_own(&run.path);
    let deleted = view.deletion(&run.path, run.event.seq);
    // Builds generate scripts and programs where they build, and clean up.
    if (own && (run.script || builds(view, run))) || is_wrapper(view, run) {
        return None;
    }
    let path = view.short(&run.path);
    let acts = match deleted {
        Some(_) => format!("writes {path}, runs it and deletes it"),
        None => format!("writes {path} and runs it"),
    };
    let when = view.when(run.event.phase, Some(run.event.process));
    let clause = format!("{acts} {when}");
    let mut hit = Hit::new(&INFO, &run.event.owner, run.event.phase, clause);
    if own && deleted.is_none() {
        hit = hit.graded(Severity::Medium, Confidence::Medium);
    } else if run.script && deleted.is_none() && !paths::is_temporary(&run.path) {
        hit = hit.graded(Severity::High, Confidence::Medium);
    }
    hit = hit
        .event(view, run.event, format!("{path} executed"))
        .kept_file(view, &run.path);
    if let Some(write) = run.origin.event {
        hit = hit.event(view, write, format!("{path} written"));
    }
    if let Some(chmod) = view.made_executable(&run.path) {
        hit = hit.event(view, chmod, format!("{path} made executable"));
    }
    if let Some(deletion) = deleted {
        hit = hit.event(view, deletion, format!("{path} deleted"));
    }
    Some(hit)
}

/// Started by a build tool.
fn builds(view: &View<'_>, run: &Execution<'_>) -> bool {
    view.lineage(run.event.process)
        .skip(1)
        .any(programs::is_toolchain)
}

/// A script that becomes the system's program of the same name at once, with the same arguments: package managers
/// put such a `node` before all others on the `PATH` of the scripts they run.
fn is_wrapper(view: &View<'_>, run: &Execution<'_>) -> bool {
    let given = |event: &Event| match &event.kind {
        EventKind::Exec { argv, .. } => Some(argv.clone()),
        _ => None,
    };
    let next = view
        .acts_of(run.event.process)
        .iter()
        .filter(|act| act.seq > run.event.seq)
        .find(|act| !is_look(&act.kind));
    let (Some(next), Some(wrapped)) = (next, given(run.event)) else {
        return false;
    };
    let EventKind::Exec { exe, argv, .. } = &next.kind else {
        return false;
    };
    let exe = exe.lossy();
    let arguments = argv.get(1..).unwrap_or_default();
    run.script
        && programs::base_name(&exe) == programs::base_name(&run.path)
        && ["/usr/", "/bin/"].iter().any(|root| exe.starts_with(root))
        && wrapped.ends_with(arguments)
        && wrapped.len() == arguments.len() + 2
}

/// What a shell does before its script's first command.
fn is_look(kind: &EventKind) -> bool {
    match kind {
        EventKind::Open { create, .. } => !create,
        EventKind::Stat { .. } | EventKind::Readlink { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use apa_model::{Evidence, Severity};

    use crate::testing::Scene;

    #[test]
    fn write_chmod_run_delete_is_a_dropper_and_its_bytes_are_evidence() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).write("/tmp/.x").chmod("/tmp/.x", 0o755);
        scene.child(hook, "/tmp/.x", &["/tmp/.x"]);
        scene.at(hook).unlink("/tmp/.x");
        scene.dropped(hook, "/tmp/.x", "deleted");
        let finding = scene.finding("dropped-file-executed");
        assert_eq!(finding.severity, Severity::High);
        assert!(
            finding
                .explanation
                .to_string()
                .starts_with("Writes /tmp/.x, runs it and deletes it ")
        );
        assert_eq!(finding.evidence.len(), 5);
        assert!(
            finding
                .evidence
                .iter()
                .any(|piece| matches!(piece, Evidence::Blob { .. }))
        );
    }

    #[test]
    fn a_program_given_to_the_dynamic_loader_counts_too() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).write("/tmp/.font");
        let loader = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
        scene.child(hook, loader, &["ld.so", "/tmp/.font"]);
        assert_eq!(
            scene.finding("dropped-file-executed").severity,
            Severity::High
        );
    }

    #[test]
    fn machine_code_that_is_written_and_opened_again_is_found_and_data_is_not() {
        let found = |machine_code: bool, shipped: bool| {
            let mut scene = Scene::pypi("left-pad");
            let python = scene.package("/usr/bin/python3", &["python3"]);
            scene.at(python).write("/tmp/.cache").read("/tmp/.cache");
            scene.dropped(python, "/tmp/.cache", "remained");
            let observation = scene.observation_mut();
            let hash = observation.dropped[0].sha256.clone().unwrap();
            if shipped {
                observation.shipped.insert(hash.clone());
            }
            if machine_code {
                observation.machine_code.insert(hash);
            }
            scene.findings("dropped-file-executed").len()
        };
        assert_eq!(found(true, false), 1);
        assert_eq!(found(false, false), 0);
        assert_eq!(found(true, true), 0, "it lies in the package's archive");
    }

    #[test]
    fn a_script_that_is_written_aside_and_read_again_is_less_grave() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).write("/tmp/.s.js").read("/tmp/.s.js");
        assert_eq!(
            scene.finding("dropped-file-executed").severity,
            Severity::Medium
        );
        let own = "/home/kim/app/node_modules/left-pad/build/out.js";
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).write(own).read(own);
        assert!(scene.findings("dropped-file-executed").is_empty());
    }

    #[test]
    fn a_script_in_a_temporary_folder_counts_too() {
        let mut scene = Scene::pypi("left-pad");
        let python = scene.package("/usr/bin/python3", &["python3", "setup.py"]);
        scene.at(python).write("/tmp/s.sh");
        scene.child(python, "/usr/bin/bash", &["bash", "/tmp/s.sh"]);
        assert_eq!(scene.findings("dropped-file-executed").len(), 1);
    }

    #[test]
    fn a_wrapper_of_the_systems_program_is_left_alone_and_anything_else_is_not() {
        let shim = "/tmp/yarn--1-0.5/node";
        let findings = |program: &str, arguments: &[&str]| {
            let mut scene = Scene::npm("left-pad");
            let node = scene.package("/usr/bin/node", &["node"]);
            scene.at(node).write(shim).chmod(shim, 0o755);
            let shell = scene.child(node, "/usr/bin/dash", &["/bin/sh", shim, "build.js"]);
            scene.at(shell).read(shim).exec(program, arguments);
            scene.findings("dropped-file-executed").len()
        };
        assert_eq!(findings("/usr/bin/node", &["node", "build.js"]), 0);
        assert_eq!(findings("/usr/bin/node", &["node", "evil.js"]), 1);
        assert_eq!(findings("/usr/bin/curl", &["curl", "build.js"]), 1);
        assert_eq!(findings("/tmp/x/node", &["node", "build.js"]), 1);
    }

    #[test]
    fn a_wrapper_that_does_something_first_is_found() {
        let shim = "/tmp/yarn--1-0.5/node";
        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene.at(node).write(shim);
        let shell = scene.child(node, "/usr/bin/dash", &["/bin/sh", shim, "build.js"]);
        scene
            .at(shell)
            .write("/home/kim/x")
            .exec("/usr/bin/node", &["node", "build.js"]);
        assert_eq!(scene.findings("dropped-file-executed").len(), 1);
    }

    #[test]
    fn a_program_downloaded_into_the_packages_own_folder_is_medium() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        let tool = "/home/kim/app/node_modules/left-pad/bin/tool";
        scene.at(hook).write(tool);
        scene.child(hook, tool, &[tool]);
        assert_eq!(
            scene.finding("dropped-file-executed").severity,
            Severity::Medium
        );
    }

    #[test]
    fn a_native_binary_from_the_registry_is_left_alone() {
        let mut scene = Scene::npm("esbuild");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        let shipped = "/home/kim/app/node_modules/@esbuild/linux-x64/bin/esbuild";
        scene.at(npm).write(shipped);
        let shell = scene.child(npm, "/usr/bin/sh", &["sh", "-c", "node install.js"]);
        let node = scene.child(shell, "/usr/bin/node", &["node", "install.js"]);
        let own = "/home/kim/app/node_modules/esbuild/bin/esbuild";
        scene
            .at(node)
            .link(shipped, "/home/kim/app/node_modules/esbuild/bin-x");
        scene
            .at(node)
            .rename("/home/kim/app/node_modules/esbuild/bin-x", own);
        scene.child(node, own, &[own, "--version"]);
        assert!(scene.findings("dropped-file-executed").is_empty());
    }

    #[test]
    fn what_a_build_compiles_or_generates_is_left_alone() {
        let mut scene = Scene::pypi("numpy");
        let python = scene.package("/usr/bin/python3", &["python3", "setup.py"]);
        let ld = scene.child(python, "/usr/bin/ld", &["ld"]);
        scene.at(ld).write("/tmp/tmpabcdefgh/a.out");
        scene.child(python, "/tmp/tmpabcdefgh/a.out", &["a.out"]);
        scene
            .at(python)
            .write("/tmp/pip-install-abcdefgh/numpy/libtool");
        scene.child(
            python,
            "/usr/bin/sh",
            &["sh", "/tmp/pip-install-abcdefgh/numpy/libtool"],
        );
        assert!(scene.findings("dropped-file-executed").is_empty());
    }
}
