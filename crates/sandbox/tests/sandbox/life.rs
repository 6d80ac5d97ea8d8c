//! From making to removing: fast, complete, also after `kill -9`, and side by side.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use apa_sandbox::{SandboxSpec, clean_up_leftovers, default_backend};

use crate::lab::{Lab, finish, until};

crate::tests![
    making_and_removing_is_fast,
    nothing_is_left_behind,
    a_daemon_is_killed_with_the_sandbox,
    a_killed_owner_takes_everything_with_it,
    orphans_are_collected,
    stopped_processes_are_killed_too,
    many_can_be_made_at_once,
    two_at_once_do_not_disturb_each_other,
    signals_reach_only_the_samples_own_processes,
    a_dropped_sandbox_is_destroyed,
];

/// Argument that makes this program own a sandbox until it is killed.
pub(crate) const OWN_A_SANDBOX: &str = "--own-a-sandbox";

pub(crate) fn own_a_sandbox() {
    let mut lab = Lab::new();
    let _running = lab.start("sleep 1000 & setsid sleep 1000 & wait");
    until("the processes run", || lab.session.live_processes() >= 3);
    println!(
        "{}",
        descendants(std::process::id())
            .into_iter()
            .map(|pid| pid.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    );
    std::io::stdout().flush().unwrap();
    std::thread::sleep(Duration::from_secs(1000));
}

/// Pids below a process, as the host sees them.
fn descendants(root: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat
                .rsplit_once(')')?
                .1
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = BTreeSet::from([root]);
    while let Some((pid, _)) = parents
        .iter()
        .find(|(pid, parent)| found.contains(parent) && !found.contains(pid))
    {
        found.insert(*pid);
    }
    found.remove(&root);
    found
}

/// Control groups of the sandboxes of one process; other people's come and go.
fn groups(owner: u32) -> BTreeSet<std::path::PathBuf> {
    let start = format!("{owner}-");
    let mut found = BTreeSet::new();
    let mut open = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&start) {
                found.insert(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    found
}

fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times[times.len() / 2]
}

fn making_and_removing_is_fast() {
    let (mut ready, mut first, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..20 {
        let start = Instant::now();
        let mut lab = Lab::new();
        ready.push(lab.sandbox.info().ready_ms);
        assert_eq!(lab.run("exit 3").0, 3);
        first.push(start.elapsed().as_millis() as u64);
        let running = lab.start("sleep 1000 & sleep 1000");
        until("it runs", || running.traced.live() >= 2);
        let teardown = lab.sandbox.destroy();
        assert_eq!(teardown.problems, Vec::<String>::new());
        removed.push(teardown.wall_ms);
        lab.session.finish();
    }
    let (ready, first, removed) = (median(ready), median(first), median(removed));
    println!(
        "medians of 20: ready {ready} ms, first command done {first} ms, removed {removed} ms"
    );
    assert!(ready <= 150 && removed <= 150);
}

fn nothing_is_left_behind() {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    // Whatever the first one opens once and keeps.
    Lab::new().close();
    let before = (
        mounts(),
        groups(std::process::id()),
        files(),
        threads(),
        descendants(std::process::id()),
    );
    let mut lab = Lab::new();
    lab.sh("(setsid sleep 100 &) ; echo x > f");
    assert!(!descendants(std::process::id()).is_empty());
    lab.close();
    until("everything is gone", || {
        (
            mounts(),
            groups(std::process::id()),
            files(),
            threads(),
            descendants(std::process::id()),
        ) == before
    });
}

fn a_daemon_is_killed_with_the_sandbox() {
    let mut lab = Lab::new();
    lab.sh("trap '' TERM INT HUP; (setsid bash -c 'trap \"\" TERM; while :; do sleep 1; done' > /dev/null 2>&1 &)");
    until("the daemon runs", || lab.session.live_processes() >= 1);
    let pids = descendants(std::process::id());
    let start = Instant::now();
    lab.close();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(
        pids.iter()
            .all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
    );
}

fn a_killed_owner_takes_everything_with_it() {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .arg(OWN_A_SANDBOX)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pids: Vec<u32> = line
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert!(pids.len() >= 5, "helpers and processes: {line}");
    let id = owner.id();
    let had = groups(id);
    clean_up_leftovers();
    assert_eq!(groups(id), had, "a living owner's groups stay");
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("all processes are gone", || {
        pids.iter()
            .all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
    });
    clean_up_leftovers();
    // Another program on this machine may be cleaning up at the same moment.
    until("its groups are gone", || groups(id).is_empty());
    assert_eq!(mounts(), before);
}

fn orphans_are_collected() {
    let mut lab = Lab::new();
    let left = lab.sh(
        "for i in $(seq 200); do (true &); done; for i in $(seq 50); do ls -d /proc/[0-9]* | wc -l; sleep 0.02; done | tail -n 1",
    );
    // Pid 1, the shell, and the pipeline itself.
    assert!(
        left.trim().parse::<u32>().unwrap() < 9,
        "{left} processes are left"
    );
    assert_eq!(lab.sandbox.limits_hit(), []);
    lab.close();
}

fn stopped_processes_are_killed_too() {
    let mut lab = Lab::new();
    let running = lab.start("sleep 100 & kill -STOP $! $$");
    until("they run", || running.traced.live() >= 2);
    let start = Instant::now();
    lab.close();
    assert!(start.elapsed() < Duration::from_secs(5));
}

fn many_can_be_made_at_once() {
    let threads: Vec<_> = (0..6)
        .map(|number| {
            std::thread::spawn(move || {
                let mut lab = Lab::new();
                let said = lab.sh(&format!(
                    "echo {number} > /tmp/n; sleep 0.2; cat /tmp/n; ls /proc/self/fd | wc -l"
                ));
                assert_eq!(said, format!("{number}\n4\n"));
                lab.close();
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn two_at_once_do_not_disturb_each_other() {
    let (mut one, mut two) = (Lab::new(), Lab::new());
    one.sh(
        "echo mine > /tmp/x; echo mine > /dev/shm/x; python3 -c 'import socket, os, time
s = socket.socket(socket.AF_UNIX); s.bind(\"\\0name\"); s.listen()
os.fork() or time.sleep(60)'",
    );
    two.refused(&[
        "cat /tmp/x",
        "cat /dev/shm/x",
        "grep -q name /proc/net/unix",
    ]);
    let other = two.start("sleep 60");
    assert!(!one.sh("ps ax").contains("sleep 60"));
    one.run("kill -9 -1");
    one.close();
    assert_eq!(other.traced.live(), 1);
    assert_eq!(two.sh("echo fine"), "fine\n");
    two.close();
}

fn signals_reach_only_the_samples_own_processes() {
    let mut lab = Lab::new();
    let bystander = lab.start("sleep 100");
    let (status, _) = lab.run("kill -9 -1; kill -9 $PPID; exit 5");
    assert_eq!(status, 5, "kill -1 spares its caller");
    assert_eq!(finish(&bystander).0, 128 + 9);
    assert_eq!(lab.run("kill -9 $$").0, 128 + 9);
    assert_eq!(lab.sh("echo fine"), "fine\n");
    lab.close();
}

fn a_dropped_sandbox_is_destroyed() {
    let before = (groups(std::process::id()), descendants(std::process::id()));
    let sandbox = default_backend().create(SandboxSpec::default()).unwrap();
    assert_ne!(descendants(std::process::id()), before.1);
    drop(sandbox);
    assert_eq!(
        (groups(std::process::id()), descendants(std::process::id())),
        before
    );
}
