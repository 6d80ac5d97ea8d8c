use std::collections::BTreeMap;

use apa_model::{Confidence, Event, EventKind, Hostile, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::paths::{self, Persistence};
use crate::programs;
use crate::view::View;

pub(crate) struct PersistenceRule;

static INFO: RuleInfo = RuleInfo {
    id: "persistence",
    title: "Arranged to be started again",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &[
        "T1053.003",
        "T1543.002",
        "T1546.004",
        "T1547.013",
        "T1098.004",
    ],
    explanation: "Package code wrote a cron table, a systemd unit, a shell start-up file, `authorized_keys`, an autostart entry, a launch agent \
                  or the loader's preload list, or installed one with `crontab`, `systemctl` or `at`. A try that failed is less sure; \
                  git hooks, editor tasks, instructions for coding agents and the settings of package managers, git and ssh count \
                  as medium. A shell's command that pipes into `crontab` tells it even where that program is missing.",
};

impl Rule for PersistenceRule {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_path: BTreeMap<String, (Persistence, Vec<&Event>)> = BTreeMap::new();
        for (event, path) in view.writes() {
            let path = path.lossy();
            if let Some(kind) = paths::persistence(&path, &view.observation.home)
                && !view.is_package_file(&path)
                && !paths::is_build_area(&path)
            {
                let entry = by_path
                    .entry(path.into_owned())
                    .or_insert((kind, Vec::new()));
                entry.1.push(event);
            }
        }
        let mut hits: Vec<Hit> = by_path
            .iter()
            .filter_map(|(path, (kind, events))| written(view, path, *kind, events))
            .collect();
        hits.extend(
            view.programs()
                .iter()
                .filter_map(|event| installed(view, event)),
        );
        hits
    }
}

fn written(view: &View<'_>, path: &str, kind: Persistence, events: &[&Event]) -> Option<Hit> {
    // A try that worked says more than those before it.
    let event = events.iter().min_by_key(|event| event.outcome.failed())?;
    let failed = event.outcome.failed();
    let path = view.short(path);
    let verb = if failed { "tries to write" } else { "writes" };
    let when = view.when(event.phase, Some(event.process));
    let clause = format!("{verb} {path} ({}) {when}", kind.words());
    let hit = Hit::new(&INFO, &event.owner, event.phase, clause);
    let hit = if matches!(kind, Persistence::DeveloperTool | Persistence::Settings) {
        hit.graded(Severity::Medium, Confidence::Medium)
    } else if failed {
        hit.graded(Severity::High, Confidence::Medium)
    } else {
        hit
    };
    let result = if failed { "refused" } else { "written" };
    Some(hit.event(view, event, format!("{path} {result}")))
}

/// Programs that register something to be started.
fn installed(view: &View<'_>, event: &Event) -> Option<Hit> {
    let EventKind::Exec { exe, argv, .. } = &event.kind else {
        return None;
    };
    let words: Vec<_> = argv.iter().map(Hostile::lossy).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let path = exe.lossy();
    let program = programs::base_name(&path);
    let program = if registers(program, words.get(1..).unwrap_or_default()) {
        program.to_owned()
    } else {
        told_by_command(view, event, exe, argv)?
    };
    let when = view.when(event.phase, Some(event.process));
    let clause = format!("registers something to be started with {program} {when}");
    Some(Hit::new(&INFO, &event.owner, event.phase, clause).event(
        view,
        event,
        format!("{program} executed"),
    ))
}

/// Whether a program that is given these arguments registers something.
fn registers(program: &str, arguments: &[&str]) -> bool {
    let has = |word: &str| arguments.contains(&word);
    match program {
        "crontab" => !arguments.is_empty() && !has("-l"),
        "systemctl" => has("enable") || has("daemon-reload") || has("link"),
        "at" | "batch" => !has("-l"),
        "update-rc.d" | "launchctl" => true,
        _ => false,
    }
}

/// A shell does not even try to start a program that is missing, but its command names it.
fn told_by_command(
    view: &View<'_>,
    event: &Event,
    exe: &Hostile,
    argv: &[Hostile],
) -> Option<String> {
    let text = programs::command_text(exe, argv)?;
    let program = text
        .split(['|', ';', '&', '(', ')', '\n', '`'])
        .find_map(|stage| {
            let mut words = stage.split_whitespace();
            let program = programs::base_name(words.next()?);
            let arguments: Vec<&str> = words.collect();
            let found = matches!(program, "crontab" | "systemctl" | "launchctl")
                && registers(program, &arguments);
            found.then(|| program.to_owned())
        })?;
    // Told by the program itself where it could be started.
    let started = view.children(event.process).iter().any(|child| {
        view.process(*child)
            .is_some_and(|child| programs::base_name(&child.exe.lossy()) == program)
    });
    (!started).then_some(program)
}

#[cfg(test)]
mod tests {
    use apa_model::{Confidence, Severity};

    use crate::testing::Scene;

    #[test]
    fn a_shell_start_up_file_and_a_unit_are_found() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(hook)
            .write("/home/kim/.bashrc")
            .rename("/tmp/u", "/home/kim/.config/systemd/user/x.service");
        let finding = scene.finding("persistence");
        assert_eq!(finding.severity, Severity::High);
        assert_eq!(finding.evidence.len(), 2);
        assert!(
            finding
                .explanation
                .to_string()
                .contains("(a shell start-up file)")
        );
    }

    #[test]
    fn a_refused_try_is_less_sure_and_a_git_hook_medium() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).failing(13).write("/etc/cron.d/x");
        assert_eq!(scene.finding("persistence").confidence, Confidence::Medium);

        let mut scene = Scene::npm("husky");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).write("/home/kim/app/.git/hooks/pre-commit");
        assert_eq!(scene.finding("persistence").severity, Severity::Medium);
    }

    #[test]
    fn a_command_that_feeds_crontab_is_found_where_crontab_is_missing() {
        let found = |text: &str| {
            let mut scene = Scene::npm("left-pad");
            scene.package("/usr/bin/dash", &["sh", "-c", text]);
            scene.findings("persistence").len()
        };
        assert_eq!(
            found("(crontab -l; echo '* * * * * /tmp/u') | crontab -"),
            1
        );
        assert_eq!(found("systemctl --user enable u.service"), 1);
        assert_eq!(found("crontab -l"), 0);
        assert_eq!(found("echo see crontab"), 0);
    }

    #[test]
    fn settings_that_decide_where_code_comes_from_are_medium() {
        for file in [".npmrc", ".config/pip/pip.conf", ".gitconfig"] {
            let mut scene = Scene::npm("left-pad");
            let hook = scene.package("/usr/bin/node", &["node"]);
            scene.at(hook).write(&format!("/home/kim/{file}"));
            assert_eq!(scene.finding("persistence").severity, Severity::Medium);
        }
    }

    #[test]
    fn crontab_is_found_when_it_installs() {
        let mut scene = Scene::npm("left-pad");
        scene.package("/usr/bin/crontab", &["crontab", "-l"]);
        assert!(scene.findings("persistence").is_empty());
        scene.package("/usr/bin/crontab", &["crontab", "-"]);
        assert_eq!(scene.findings("persistence").len(), 1);
    }

    #[test]
    fn a_search_along_path_for_a_missing_crontab_is_one_try() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        let child = scene.fork(hook);
        for folder in ["/usr/local/bin", "/usr/bin", "/bin"] {
            let exe = format!("{folder}/crontab");
            scene.at(child).tries(&exe, &["crontab", "-"]);
        }
        let explanation = scene.finding("persistence").explanation.to_string();
        assert!(!explanation.contains("times"), "{explanation}");
    }

    #[test]
    fn reading_and_files_that_come_with_the_package_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        scene
            .at(npm)
            .write("/home/kim/app/node_modules/left-pad/.vscode/tasks.json");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(hook)
            .read("/home/kim/.bashrc")
            .write("/home/kim/app/node_modules/left-pad/.claude/x");
        assert!(scene.findings("persistence").is_empty());
    }
}
