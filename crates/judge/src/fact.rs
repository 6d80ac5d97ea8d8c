//! Events and flows to normalised statements.

use std::collections::{BTreeMap, BTreeSet};

use apa_model::{Access, Event, EventKind, Fact, Flow, Hostile, Outcome, Owner, Phase, Protocol};
use sha2::{Digest as _, Sha256};

use crate::baseline::{Baseline, Subtraction};
use crate::normalise::Normaliser;
use crate::observation::Observation;
use crate::view::network;

/// Distinct facts kept of each action that only looks (reads, stats).
const MAX_LOOKING: usize = 5_000;
/// Distinct facts kept of each other action: a flood of one kind pushes no other out.
const MAX_ACTING: usize = 2_000;
/// Bytes of an object that are kept as text; the rest is replaced by its hash.
const MAX_OBJECT: usize = 400;
/// Waits below this many milliseconds are not worth a statement.
const LONG_SLEEP_MS: u64 = 10_000;
/// Arguments of a program that become part of its fact.
const MAX_ARGUMENTS: usize = 64;

/// What one run amounts to: sorted, without repetition, the same whatever the order of equal events. Bounded;
/// a bound that is hit is itself a fact with the action `limit`.
pub fn facts(observation: &Observation) -> Vec<Fact> {
    let normal = Normaliser::new(observation);
    let nothing = Baseline::default();
    let (mut facts, _) = collect(observation, &normal, &Subtraction::new(&nothing));
    facts.sort();
    facts
}

/// The facts of all owners, and the acts of package code that the baseline does not explain, in order. Both in
/// one pass: normalising is what judging costs.
pub(crate) fn collect<'a>(
    observation: &'a Observation,
    normal: &Normaliser,
    baseline: &Subtraction<'_>,
) -> (Vec<Fact>, Vec<&'a Event>) {
    let mut kept = Kept::default();
    let mut acts = Vec::new();
    for event in &observation.events {
        let fact = of_event(event, normal);
        let explained = fact.as_ref().is_some_and(|fact| baseline.explains(fact));
        if event.owner.is_package_code() && !explained {
            acts.push(event);
        }
        if let Some(fact) = fact {
            kept.add(fact);
        }
    }
    let owners: BTreeMap<_, _> = observation
        .processes
        .iter()
        .map(|process| (process.id, &process.owner))
        .collect();
    for flow in &observation.flows {
        let owner = flow
            .owner
            .as_ref()
            .or_else(|| owners.get(&flow.process?).copied());
        // Who cannot be named is nobody's excuse: the package is what is being run.
        let owner = owner.cloned().unwrap_or(Owner::Package);
        for fact in of_flow(flow, &owner, normal) {
            kept.add(fact);
        }
    }
    for dropped in &observation.dropped {
        if let Some(owner) = &dropped.owner {
            let object = bounded(normal.text(&dropped.path));
            kept.add(statement(dropped.phase, owner, "file.kept", object, "ok"));
        }
    }
    (kept.finish(), acts)
}

/// Limits that were hit after the facts were drawn.
pub(crate) fn limits(files_cut: bool, renames_cut: bool) -> Vec<Fact> {
    [
        (files_cut, "only the most telling files are listed"),
        (renames_cut, "not every renamed folder was followed"),
    ]
    .into_iter()
    .filter(|(hit, _)| *hit)
    .map(|(_, words)| limit(words))
    .collect()
}

fn limit(words: &str) -> Fact {
    statement(Phase::Static, &Owner::Harness, "limit", words.into(), "ok")
}

/// The smallest facts of each action win, so that the order they come in does not matter.
#[derive(Default)]
struct Kept {
    by_action: BTreeMap<String, BTreeSet<Fact>>,
    cut: bool,
}

impl Kept {
    fn add(&mut self, fact: Fact) {
        let most = match fact.action.as_str() {
            "file.read" | "file.stat" | "file.readlink" => MAX_LOOKING,
            _ => MAX_ACTING,
        };
        let set = self.by_action.entry(fact.action.clone()).or_default();
        set.insert(fact);
        if set.len() > most {
            set.pop_last();
            self.cut = true;
        }
    }

    fn finish(self) -> Vec<Fact> {
        let mut facts: Vec<_> = self.by_action.into_values().flatten().collect();
        if self.cut {
            facts.push(limit("more distinct facts than are kept"));
        }
        facts
    }
}

fn statement(phase: Phase, owner: &Owner, action: &str, object: Hostile, outcome: &str) -> Fact {
    Fact {
        phase,
        owner: owner.clone(),
        action: action.into(),
        object,
        outcome: outcome.into(),
    }
}

/// The statement one event makes; `None` for what says nothing about behaviour (forks, exits, raw calls).
fn of_event(event: &Event, normal: &Normaliser) -> Option<Fact> {
    let (action, object) = describe(&event.kind, normal)?;
    let object = crowd(&event.owner, action, bounded(object));
    Some(statement(
        event.phase,
        &event.owner,
        action,
        object,
        outcome(event.outcome),
    ))
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome.errno {
        Some(0) => "ok",
        Some(_) => "failed",
        None => "unknown",
    }
}

fn describe(kind: &EventKind, normal: &Normaliser) -> Option<(&'static str, Hostile)> {
    let text = |text: &Hostile| normal.text(text);
    Some(match kind {
        EventKind::Exec { exe, argv, .. } => ("exec", program(exe, argv, normal)),
        EventKind::Open {
            path,
            access,
            create,
            truncate,
        } => (open_action(*access, *create, *truncate), text(path)),
        EventKind::Stat { path } => ("file.stat", text(path)),
        EventKind::Readlink { path } => ("file.readlink", text(path)),
        EventKind::Mkdir { path } => ("file.mkdir", text(path)),
        EventKind::Rename { from, to } => ("file.rename", pair(&text(from), " -> ", &text(to))),
        EventKind::Link { target, path, .. } => {
            ("file.link", pair(&text(path), " -> ", &text(target)))
        }
        EventKind::Unlink { path, .. } => ("file.delete", text(path)),
        EventKind::Chmod { path, mode } => {
            let mode = format!("{:04o}", mode & 0o7777);
            ("file.chmod", pair(&text(path), " ", &mode.into()))
        }
        EventKind::Chown { path } => ("file.chown", text(path)),
        EventKind::Truncate { path, .. } => ("file.write", text(path)),
        EventKind::Mknod { path, .. } => ("file.mknod", text(path)),
        EventKind::Chdir { path, root: true } => ("chroot", text(path)),
        _ => return describe_more(kind, normal),
    })
}

/// Everything that is no file.
fn describe_more(kind: &EventKind, normal: &Normaliser) -> Option<(&'static str, Hostile)> {
    Some(match kind {
        EventKind::Socket { domain, kind } => ("socket", Hostile::from(format!("{domain} {kind}"))),
        EventKind::Bind { address } => ("bind", normal.address(address)),
        EventKind::Listen => ("listen", Hostile::default()),
        EventKind::Accept => ("accept", Hostile::default()),
        EventKind::Connect { address } => ("connect", normal.address(address)),
        EventKind::Send { address, .. } => ("send", normal.address(address)),
        EventKind::Memfd { name } => ("memfd", normal.text(name)),
        EventKind::Dup { to, target, .. } if target == "socket" => {
            ("dup", Hostile::from(format!("socket to {to}")))
        }
        EventKind::Inspect { call, .. } => ("inspect", call.as_str().into()),
        EventKind::MakeExecutable { call, writable } => {
            let detail = if *writable { " writable" } else { "" };
            ("memory.executable", format!("{call}{detail}").into())
        }
        EventKind::Kill { pid, signal } => {
            let whom = match pid {
                -1 => "everyone",
                0 => "own group",
                1 => "init",
                i32::MIN..=-2 => "group",
                _ => "process",
            };
            ("kill", format!("{whom} signal {signal}").into())
        }
        EventKind::Privileged { call, detail } => (
            "privileged",
            pair(&call.as_str().into(), " ", &normal.text(detail)),
        ),
        EventKind::Refused { call } => ("refused", call.as_str().into()),
        EventKind::Sleep { asked_ms, .. } if *asked_ms >= LONG_SLEEP_MS => {
            let words = match asked_ms / 1000 {
                0..60 => "under a minute",
                60..3600 => "minutes",
                _ => "hours",
            };
            ("sleep", words.into())
        }
        _ => return None,
    })
}

fn open_action(access: Access, create: bool, truncate: bool) -> &'static str {
    if access.writes() || create || truncate {
        "file.write"
    } else if access == Access::Path {
        "file.stat"
    } else {
        "file.read"
    }
}

fn program(exe: &Hostile, argv: &[Hostile], normal: &Normaliser) -> Hostile {
    let mut words = normal.text(exe).into_bytes();
    for argument in argv.iter().skip(1).take(MAX_ARGUMENTS) {
        words.push(b' ');
        words.extend_from_slice(normal.text(argument).as_bytes());
    }
    if argv.len() > MAX_ARGUMENTS + 1 {
        words.extend_from_slice(format!(" …{} arguments", argv.len() - 1).as_bytes());
    }
    words.into()
}

fn pair(first: &Hostile, between: &str, second: &Hostile) -> Hostile {
    let mut bytes = first.as_bytes().to_vec();
    if !second.is_empty() {
        bytes.extend_from_slice(between.as_bytes());
        bytes.extend_from_slice(second.as_bytes());
    }
    bytes.into()
}

/// A long object keeps its beginning and its hash: two that differ at the end stay two.
fn bounded(object: Hostile) -> Hostile {
    if object.len() <= MAX_OBJECT {
        return object;
    }
    let hash = Sha256::digest(object.as_bytes());
    let hash: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut bytes = object.shortened(MAX_OBJECT).into_bytes();
    bytes.extend_from_slice(format!("(sha256 {hash})").as_bytes());
    bytes.into()
}

/// The thousands of files a manager unpacks, or a package reads of its own, are one statement.
fn crowd(owner: &Owner, action: &str, object: Hostile) -> Hostile {
    if !action.starts_with("file.") {
        return object;
    }
    let folders: &[&str] = match (owner, action) {
        (Owner::Manager | Owner::Harness, _) => &["<package>/", "<project>/", "<tmp>/"],
        (_, "file.read" | "file.stat" | "file.readlink") => &["<package>/"],
        _ => return object,
    };
    let folder = folders
        .iter()
        .find(|folder| object.as_bytes().starts_with(folder.as_bytes()));
    match folder {
        Some(folder) => format!("{folder}…").into(),
        None => object,
    }
}

/// The statements one conversation makes.
fn of_flow(flow: &Flow, owner: &Owner, normal: &Normaliser) -> Vec<Fact> {
    let mut facts = BTreeSet::new();
    let mut add = |action: &str, object: String| {
        let object = bounded(object.into());
        facts.insert(statement(flow.phase, owner, action, object, "ok"));
    };
    let peer = network::peer(flow, normal);
    match flow.protocol {
        Protocol::Dns => {
            for name in network::queried_names(flow) {
                add("dns", normal.host(&name));
            }
        }
        Protocol::Http => {
            add("connect", peer.clone());
            for message in &flow.messages {
                add("http", normal.text(&message.summary).to_string());
                if message.body_bytes > 0 {
                    add("send", peer.clone());
                }
            }
        }
        _ => {
            add("connect", peer.clone());
            if flow.bytes_out > 0 {
                add("send", peer.clone());
            }
        }
    }
    if flow.protocol == Protocol::Http && network::downloads(flow) {
        add("download", peer.clone());
    }
    for hit in &flow.canary_hits {
        add("canary.sent", format!("{} to {peer}", hit.canary));
    }
    facts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Scene;

    fn lines(observation: &Observation) -> Vec<String> {
        facts(observation)
            .iter()
            .map(|fact| {
                format!(
                    "{} {} {} {} {}",
                    fact.phase, fact.owner, fact.action, fact.object, fact.outcome
                )
            })
            .collect()
    }

    #[test]
    fn two_runs_with_other_names_give_equal_facts() {
        let run = |home: &str, temp: &str| {
            let mut scene = Scene::npm("left-pad");
            scene.live_in(home);
            let node = scene.package("/usr/bin/node", &["node", "hook.js"]);
            scene
                .at(node)
                .read(&format!("{home}/.ssh/id_rsa"))
                .write(&format!("/tmp/tmp{temp}/x"));
            facts(&scene.observation())
        };
        assert_eq!(run("/home/kim", "abcd1234"), run("/home/lee", "zyxw9876"));
    }

    #[test]
    fn a_long_command_line_keeps_its_difference() {
        let run = |tail: &str| {
            let mut scene = Scene::npm("left-pad");
            let script = format!("{}{tail}", "x".repeat(1000));
            scene.package("/usr/bin/sh", &["sh", "-c", &script]);
            facts(&scene.observation())
        };
        assert_ne!(run("a"), run("b"));
        assert!(run("a").iter().all(|fact| fact.object.len() < 500));
    }

    #[test]
    fn unpacking_is_one_fact_and_a_hooks_writes_are_each_their_own() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        for n in 0..50 {
            scene
                .at(npm)
                .write(&format!("/home/kim/app/node_modules/x/{n}"));
        }
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene
            .at(hook)
            .write("/home/kim/app/a")
            .write("/home/kim/app/b");
        let writes = lines(&scene.observation())
            .into_iter()
            .filter(|line| line.contains("file.write"))
            .collect::<Vec<_>>();
        assert_eq!(
            writes,
            [
                "install manager file.write <project>/… ok",
                "install package file.write <project>/a ok",
                "install package file.write <project>/b ok",
            ]
        );
    }

    #[test]
    fn too_many_facts_say_so() {
        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        for n in 0..MAX_LOOKING + 5 {
            scene.at(node).read(&format!("/opt/file{n}x"));
        }
        let lines = lines(&scene.observation());
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.contains("file.read"))
                .count(),
            MAX_LOOKING
        );
        assert!(
            lines.iter().any(|line| line.contains(" limit ")),
            "no limit fact"
        );
    }

    #[test]
    fn conversations_become_facts_with_names() {
        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene.at(node).dns("A collect.test");
        scene.at(node).http("POST https://collect.test/x", 10);
        let facts = lines(&scene.observation());
        for expected in [
            "install package connect collect.test:443 ok",
            "install package dns collect.test ok",
            "install package http POST https://collect.test/x ok",
            "install package send collect.test:443 ok",
        ] {
            assert!(
                facts.iter().any(|fact| fact == expected),
                "{expected}: {facts:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_order_of_events_changes_no_fact(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
            let mut scene = Scene::npm("left-pad");
            let node = scene.package("/usr/bin/node", &["node"]);
            for n in 0..10 {
                scene.at(node).read(&format!("/opt/{}", n % 4));
            }
            let observation = scene.observation();
            let mut shuffled = observation.clone();
            prop_assume!(observation.events.len() <= order.len());
            shuffled.events = order
                .iter()
                .filter_map(|at| observation.events.get(*at).cloned())
                .collect();
            prop_assert_eq!(facts(&observation), facts(&shuffled));
        }
    }
}
