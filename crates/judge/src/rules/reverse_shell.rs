use std::collections::BTreeMap;

use apa_model::{Confidence, Event, EventKind, Hostile, ProcessId, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::programs;
use crate::view::{View, network};

pub(crate) struct ReverseShell;

static INFO: RuleInfo = RuleInfo {
    id: "reverse-shell",
    title: "A shell was connected to the network",
    severity: Severity::Critical,
    confidence: Confidence::High,
    attack: &["T1059.004", "T1095"],
    explanation: "One network socket was put in the place of standard input and output, and a shell or interpreter runs there (or the shell \
                  did so itself). Less sure: an interactive shell was started by a process that holds a plain connection. Runtimes \
                  give their children one local socket per stream; those are left alone.",
};

impl Rule for ReverseShell {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let links = connections(view);
        let mut processes: Vec<ProcessId> = view.acts().iter().map(|act| act.process).collect();
        processes.sort();
        processes.dedup();
        let mut by_tree: BTreeMap<ProcessId, Hit> = BTreeMap::new();
        for id in processes {
            let hit = by_descriptors(view, &links, id).or_else(|| by_bridge(view, id));
            // A shell inherits what its parent arranged: one shell, told once.
            if let Some(hit) = hit {
                let told = by_tree.get(&view.tree_of(id));
                if told.is_none_or(|told| told.severity < hit.severity) {
                    by_tree.insert(view.tree_of(id), hit);
                }
            }
        }
        by_tree.into_values().collect()
    }
}

/// Per process, the first time it connected to another machine, and the first time it took a connection.
fn connections<'a>(view: &View<'a>) -> BTreeMap<ProcessId, Vec<&'a Event>> {
    let (mut asked, mut taken) = (BTreeMap::new(), BTreeMap::new());
    for act in view.acts().iter().copied() {
        match &act.kind {
            EventKind::Connect { address } if is_remote(view, address) => {
                asked.entry(act.process).or_insert(act);
            }
            EventKind::Accept => {
                taken.entry(act.process).or_insert(act);
            }
            _ => {}
        }
    }
    let mut links: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (process, act) in asked.into_iter().chain(taken) {
        links.entry(process).or_default().push(act);
    }
    links
}

/// The last act that put one socket on both standard input and output of the process, or noted that a program
/// started with network sockets there (a copy onto itself).
fn same_socket<'a>(acts: &[&'a Event]) -> Option<&'a Event> {
    let mut origin: BTreeMap<i32, i32> = BTreeMap::new();
    let mut last = None;
    for act in acts {
        let EventKind::Dup { from, to, target } = &act.kind else {
            continue;
        };
        if target != "socket" {
            origin.remove(to);
            continue;
        }
        // `>&3 0>&1`: the copy of a copy is still the first socket.
        let source = origin.get(from).copied().unwrap_or(*from);
        origin.insert(*to, source);
        let both = origin.get(&0).zip(origin.get(&1));
        if both.is_some_and(|(input, output)| input == output || (*input, *output) == (0, 1)) {
            last = Some(*act);
        }
    }
    last
}

fn by_descriptors(
    view: &View<'_>,
    links: &BTreeMap<ProcessId, Vec<&Event>>,
    id: ProcessId,
) -> Option<Hit> {
    let dup = same_socket(view.acts_of(id))?;
    let link = connection(view, links, id, dup.seq)?;
    let shell = shell_after(view, id, dup.seq)?;
    let process = view.process(shell.process)?;
    let peer = peer_of(view, link);
    let exe = process.exe.shortened(80);
    let when = view.when(dup.phase, Some(id));
    let clause = format!("connects {exe} to {peer} {when}");
    let hit = Hit::new(&INFO, &dup.owner, dup.phase, clause)
        .event(view, shell, format!("{exe} runs on the socket"))
        .event(
            view,
            dup,
            "the socket becomes standard input and output".into(),
        )
        .event(view, link, format!("connection with {peer}"));
    Some(with_flows(view, id, hit))
}

/// The process, or an ancestor below the same root, was connected before.
fn connection<'a>(
    view: &View<'_>,
    links: &BTreeMap<ProcessId, Vec<&'a Event>>,
    id: ProcessId,
    before: u64,
) -> Option<&'a Event> {
    let tree = view.tree_of(id);
    view.lineage(id)
        .take_while(|process| view.tree_of(process.id) == tree)
        .filter_map(|process| links.get(&process.id))
        .flatten()
        .copied()
        .find(|link| link.seq < before)
}

fn is_remote(view: &View<'_>, address: &Hostile) -> bool {
    let text = address.lossy();
    text.parse::<std::net::SocketAddr>().is_ok_and(|peer| {
        !peer.ip().is_loopback() && peer.port() != 53 && !view.normal.is_gateway(&text)
    })
}

fn peer_of(view: &View<'_>, link: &Event) -> String {
    match &link.kind {
        EventKind::Connect { address } => view.normal.address(address).to_string(),
        _ => "whoever connects".to_owned(),
    }
}

/// A shell or interpreter that the process becomes or starts afterwards, or that it was already.
fn shell_after<'a>(view: &View<'a>, id: ProcessId, after: u64) -> Option<&'a Event> {
    let is_shell = |act: &&'a Event| match &act.kind {
        EventKind::Exec { exe, .. } => programs::is_interpreter(&exe.lossy()),
        _ => false,
    };
    let later = std::iter::once(&id)
        .chain(view.children(id))
        .flat_map(|id| view.acts_of(*id))
        .copied()
        .filter(|act| act.seq > after)
        .find(|act| is_shell(act));
    later.or_else(|| {
        view.acts_of(id)
            .iter()
            .copied()
            .rfind(|act| match &act.kind {
                EventKind::Exec { exe, .. } => programs::is_shell(&exe.lossy()),
                _ => false,
            })
    })
}

/// `sh -i` or a bare `sh`, started by a process that speaks no known protocol with another machine.
fn by_bridge(view: &View<'_>, id: ProcessId) -> Option<Hit> {
    let exec = view
        .acts_of(id)
        .iter()
        .copied()
        .rfind(|act| match &act.kind {
            EventKind::Exec { exe, argv, .. } => {
                programs::is_shell(&exe.lossy()) && is_interactive(argv)
            }
            _ => false,
        })?;
    let parent = view.process(id)?.parent?;
    let talk = view
        .flows_of(parent)
        .find(|sent| network::is_plain(sent.flow) && !sent.flow.destination.ip().is_loopback())?;
    let peer = view.peer(talk.flow);
    let when = view.when(exec.phase, Some(id));
    let clause = format!("starts an interactive shell beside a plain connection to {peer} {when}");
    Some(
        Hit::new(&INFO, &exec.owner, exec.phase, clause)
            .graded(Severity::High, Confidence::Medium)
            .event(view, exec, "interactive shell executed".into())
            .flow(view, talk.flow),
    )
}

fn is_interactive(argv: &[Hostile]) -> bool {
    argv.iter().skip(1).all(|argument| {
        matches!(
            argument.as_bytes(),
            b"-i" | b"-l" | b"--login" | b"-li" | b"-il"
        )
    })
}

fn with_flows(view: &View<'_>, id: ProcessId, hit: Hit) -> Hit {
    view.lineage(id)
        .take(4)
        .flat_map(|process| view.flows_of(process.id))
        .filter(|sent| network::is_plain(sent.flow))
        .take(3)
        .fold(hit, |hit, sent| hit.flow(view, sent.flow))
}

#[cfg(test)]
mod tests {
    use apa_model::{Confidence, EventKind, Severity};

    use crate::testing::Scene;

    #[test]
    fn python_putting_its_socket_under_a_shell_is_found() {
        let mut scene = Scene::pypi("left-pad");
        let python = scene.package("/usr/bin/python3", &["python3", "setup.py"]);
        scene.hook(python, "setup.py");
        scene
            .at(python)
            .connect("192.0.2.9:4444")
            .dup(3, 0, "socket")
            .dup(3, 1, "socket")
            .dup(3, 2, "socket");
        let shell = scene.child(python, "/usr/bin/sh", &["sh", "-i"]);
        scene.at(shell).dup(0, 0, "socket").dup(1, 1, "socket");
        let finding = scene.finding("reverse-shell");
        assert_eq!(finding.severity, Severity::Critical);
        assert_eq!(
            finding.explanation.to_string(),
            "Connects /usr/bin/sh to 192.0.2.9:4444 in its setup.py."
        );
    }

    #[test]
    fn a_later_connection_does_not_hide_the_one_that_was_taken() {
        let mut scene = Scene::pypi("left-pad");
        let python = scene.package("/usr/bin/python3", &["python3"]);
        scene
            .at(python)
            .does(EventKind::Accept)
            .dup(4, 0, "socket")
            .dup(4, 1, "socket")
            .connect("192.0.2.9:443");
        scene.child(python, "/usr/bin/sh", &["sh"]);
        let explanation = scene.finding("reverse-shell").explanation.to_string();
        assert!(explanation.contains("whoever connects"), "{explanation}");
    }

    #[test]
    fn bash_redirecting_itself_is_found() {
        let mut scene = Scene::npm("left-pad");
        let bash = scene.package("/usr/bin/bash", &["bash", "-c", "…"]);
        scene
            .at(bash)
            .connect("192.0.2.9:4444")
            .dup(3, 1, "socket")
            .dup(1, 2, "socket")
            .dup(1, 0, "socket");
        assert_eq!(scene.findings("reverse-shell").len(), 1);
    }

    #[test]
    fn a_shell_that_starts_with_sockets_however_they_got_there_is_found() {
        let mut scene = Scene::npm("left-pad");
        let tool = scene.package("/opt/nc", &["nc"]);
        scene.at(tool).connect("192.0.2.9:4444");
        let shell = scene.child(tool, "/usr/bin/sh", &["sh"]);
        scene.at(shell).dup(0, 0, "socket").dup(1, 1, "socket");
        assert_eq!(scene.findings("reverse-shell").len(), 1);
    }

    #[test]
    fn an_interactive_shell_beside_a_plain_connection_is_likely() {
        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene.at(node).raw("192.0.2.9:4444", 2);
        scene.child(node, "/usr/bin/sh", &["sh", "-i"]);
        assert_eq!(
            scene.finding("reverse-shell").confidence,
            Confidence::Medium
        );
    }

    #[test]
    fn a_runtimes_socket_pairs_for_a_child_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(node)
            .connect("192.0.2.9:443")
            .http("GET https://x.test/", 0);
        let shell = scene.fork(node);
        scene
            .at(shell)
            .dup(20, 0, "socket")
            .dup(21, 1, "socket")
            .dup(22, 2, "socket")
            .exec("/usr/bin/sh", &["sh", "-c", "true"]);
        assert!(scene.findings("reverse-shell").is_empty());
    }

    #[test]
    fn one_socket_without_a_connection_to_another_machine_is_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(node)
            .connect("127.0.0.1:9000")
            .connect("unix:/tmp/s");
        let shell = scene.fork(node);
        scene
            .at(shell)
            .dup(20, 0, "socket")
            .dup(20, 1, "socket")
            .exec("/usr/bin/sh", &["sh"]);
        assert!(scene.findings("reverse-shell").is_empty());
    }
}
