//! Lists for the report: the fate of the baits, and files touched outside the package's own folders.

use std::collections::{BTreeMap, BTreeSet};

use apa_model::report::{CanaryRecord, FileRecord};
use apa_model::{CanaryKind, Event, EventKind, Hostile, Outcome, Owner};

use crate::normalise::RANDOM;
use crate::paths;
use crate::view::{View, reads};

/// Files listed.
const MAX_FILES: usize = 500;

/// What became of each bait.
pub(crate) fn canaries(view: &View<'_>) -> Vec<CanaryRecord> {
    let observation = view.observation;
    let opened: BTreeSet<&[u8]> = observation
        .events
        .iter()
        .filter(|event| event.owner.is_package_code() && !event.outcome.failed())
        .filter_map(|event| match &event.kind {
            EventKind::Open { path, access, .. } if reads(*access) => Some(path.as_bytes()),
            _ => None,
        })
        .collect();
    let seen = view.stolen();
    observation
        .canaries
        .iter()
        .filter(|canary| canary.kind != CanaryKind::HostName)
        .map(|canary| CanaryRecord {
            id: canary.id.clone(),
            artifact: observation.artifact.sha256.clone(),
            kind: canary.kind,
            planted_at: canary.planted_at.clone(),
            read: opened.contains(canary.planted_at.as_bytes())
                || !view.bait_reads(&canary.id).is_empty(),
            exfiltrated: seen.contains(canary.id.as_str()),
        })
        .collect()
}

#[derive(Default)]
struct Touched<'a> {
    acts: BTreeSet<&'static str>,
    outcomes: Vec<Outcome>,
    first: Option<&'a Event>,
}

/// The most telling files first, and whether some were left out.
pub(crate) fn files(view: &View<'_>) -> (Vec<FileRecord>, bool) {
    let mut touched: BTreeMap<&Hostile, Touched<'_>> = BTreeMap::new();
    for event in view.acts() {
        for (path, act) in touches(&event.kind) {
            if is_told_elsewhere(view, &path.lossy(), act) {
                continue;
            }
            let entry = touched.entry(path).or_default();
            entry.acts.insert(act);
            entry.outcomes.push(event.outcome);
            entry.first.get_or_insert(event);
        }
    }
    let mut files: Vec<(u8, FileRecord)> = touched
        .into_iter()
        .filter_map(|(path, touched)| {
            let rank = rank(&path.lossy(), &touched, &view.observation.home);
            Some((rank, record(view, path, touched)?))
        })
        .collect();
    files.sort_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
    let cut = files.len() > MAX_FILES;
    files.truncate(MAX_FILES);
    (files.into_iter().map(|(_, file)| file).collect(), cut)
}

fn record(view: &View<'_>, path: &Hostile, touched: Touched<'_>) -> Option<FileRecord> {
    let first = touched.first?;
    let succeeded = if touched
        .outcomes
        .iter()
        .any(|outcome| outcome.errno == Some(0))
    {
        Some(true)
    } else if touched.outcomes.iter().all(|outcome| outcome.failed()) {
        Some(false)
    } else {
        None
    };
    Some(FileRecord {
        artifact: view.observation.artifact.sha256.clone(),
        path: path.clone(),
        acts: touched.acts.into_iter().map(str::to_owned).collect(),
        succeeded,
        phase: first.phase,
        owner: Owner::clone(&first.owner),
        process: first.process,
    })
}

/// The paths an act touches, with a word for it.
fn touches(kind: &EventKind) -> Vec<(&Hostile, &'static str)> {
    match kind {
        EventKind::Open {
            path,
            access,
            create,
            truncate,
        } => {
            let writes = access.writes() || *create || *truncate;
            let mut found = Vec::new();
            if reads(*access) {
                found.push((path, "read"));
            }
            if writes {
                found.push((path, "write"));
            }
            found
        }
        EventKind::Stat { path } | EventKind::Readlink { path } => vec![(path, "stat")],
        EventKind::Mkdir { path } | EventKind::Mknod { path, .. } => vec![(path, "create")],
        EventKind::Rename { from, to } => vec![(from, "rename"), (to, "write")],
        EventKind::Link { path, .. } => vec![(path, "link")],
        EventKind::Unlink { path, .. } => vec![(path, "delete")],
        EventKind::Chmod { path, .. } => vec![(path, "chmod")],
        EventKind::Chown { path } => vec![(path, "chown")],
        EventKind::Truncate { path, .. } => vec![(path, "write")],
        _ => Vec::new(),
    }
}

/// The package's own folders, what every program loads, and looks into temporary folders.
fn is_told_elsewhere(view: &View<'_>, path: &str, act: &str) -> bool {
    let looks = matches!(act, "read" | "stat");
    let device = ["/dev/null", "/dev/tty", "/dev/pts/", "/dev/ptmx"];
    if device.iter().any(|prefix| path.starts_with(prefix)) || is_scratch(view, path) {
        return true;
    }
    if view.is_own(path) && paths::persistence(path, &view.observation.home).is_none() {
        return true;
    }
    let loaded = [
        "/usr/",
        "/lib/",
        "/lib64/",
        "/bin/",
        "/sbin/",
        "/etc/ld.so",
        "/dev/",
    ];
    looks
        && (loaded.iter().any(|prefix| path.starts_with(prefix))
            || paths::is_temporary(path)
            || paths::is_library(path)
            || paths::is_runtime_setting(path)
            || path.starts_with("/proc/self/")
            || path.is_empty())
}

/// A temporary file with a name made by chance; those that matter are among the dropped files.
fn is_scratch(view: &View<'_>, path: &str) -> bool {
    paths::is_temporary(path) && view.normal.text(&path.into()).lossy().contains(RANDOM)
}

/// Smaller is more telling.
fn rank(path: &str, touched: &Touched<'_>, home: &str) -> u8 {
    let acts = &touched.acts;
    let changes = acts.iter().any(|act| !matches!(*act, "read" | "stat"));
    let reads = acts.contains("read");
    let at_home = paths::below_home(path, home).is_some();
    if paths::credential(path, home).is_some() {
        if changes || reads { 0 } else { 2 }
    } else if paths::persistence(path, home).is_some() && changes {
        1
    } else if changes && at_home {
        3
    } else if changes && !paths::is_temporary(path) {
        4
    } else if changes {
        5
    } else if at_home {
        6
    } else if paths::is_identity(path) || paths::is_sandbox_probe(path) {
        7
    } else {
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    #[test]
    fn a_bait_is_read_by_package_code_only_and_sent_when_seen() {
        let mut scene = Scene::npm("left-pad");
        scene.baits();
        let npm = scene.manager("/usr/bin/node", &["npm"]);
        scene.at(npm).read("/home/kim/.npmrc");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).read("/home/kim/.ssh/id_rsa");
        scene
            .at(hook)
            .http("POST https://collect.test/", 10)
            .carrying("aws-env-1", &["http.body"]);
        let fate: Vec<_> = scene
            .judge()
            .canaries
            .iter()
            .map(|canary| (canary.id.clone(), canary.read, canary.exfiltrated))
            .collect();
        assert_eq!(
            fate,
            [
                ("ssh-key-1".into(), true, false),
                ("npm-token-1".into(), false, false),
                ("aws-env-1".into(), false, true),
                ("token-env-1".into(), false, false),
            ]
        );
    }

    #[test]
    fn telling_files_come_first_and_own_ones_not_at_all() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(hook)
            .read("/usr/lib/libc.so.6")
            .read("/home/kim/.local/lib/python3.13/site-packages/six.py")
            .read("/etc/nsswitch.conf")
            .read("/etc/hosts")
            .write("/home/kim/app/x")
            .write("/tmp/x")
            .write("/tmp/ccAb12Cd.o")
            .write("/dev/null")
            .write("/home/kim/notes")
            .failing(13)
            .read("/home/kim/.ssh/id_rsa");
        let judgement = scene.judge();
        let files: Vec<_> = judgement
            .files
            .iter()
            .map(|file| file.path.to_string())
            .collect();
        assert_eq!(
            files,
            [
                "/home/kim/.ssh/id_rsa",
                "/home/kim/notes",
                "/tmp/x",
                "/etc/hosts"
            ]
        );
        assert_eq!(judgement.files[0].succeeded, Some(false));
        assert_eq!(judgement.files[1].acts, ["write"]);
    }

    #[test]
    fn a_flood_of_files_is_cut_and_says_so() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        for n in 0..MAX_FILES + 1 {
            scene.at(hook).write(&format!("/opt/{n}"));
        }
        let judgement = scene.judge();
        assert_eq!(judgement.files.len(), MAX_FILES);
        assert!(judgement.facts.iter().any(|fact| fact.action == "limit"));
    }
}
