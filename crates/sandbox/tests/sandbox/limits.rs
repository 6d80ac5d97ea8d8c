//! Every way to use something up ends in a limit that is named, and the next sandbox is not affected.

use std::time::{Duration, Instant};

use apa_model::IncompleteCode;
use apa_sandbox::Command;

use crate::lab::{Lab, finish, until};

crate::tests![
    a_fork_bomb_hits_the_process_limit,
    a_memory_bomb_is_killed_alone,
    a_full_disk_is_noticed_although_it_is_emptied,
    a_full_inode_table_is_noticed,
    an_output_flood_is_cut_and_ends,
    nothing_hit_means_nothing_reported,
];

const MIB: u64 = 1 << 20;

/// Waits until a limit is reported.
fn expect(lab: &mut Lab, code: IncompleteCode) {
    until(&format!("{code:?} is reported"), || {
        lab.sandbox.limits_hit().iter().any(|hit| hit.code == code)
    });
}

/// The group limits need control groups, which an unprivileged run may not have.
fn bounded_by_cgroup(lab: &Lab, what: &str) -> bool {
    let bounded = lab
        .sandbox
        .info()
        .enforced
        .iter()
        .any(|line| line.starts_with(what) && line.contains("cgroup v"));
    if !bounded {
        println!("SKIPPED: {what} is not bounded by a control group here");
    }
    bounded
}

/// A fresh sandbox works as if nothing had happened.
fn next_one_works() {
    let mut lab = Lab::new();
    assert_eq!(lab.sh("echo fine"), "fine\n");
    assert_eq!(lab.sandbox.limits_hit(), []);
    lab.close();
}

fn a_fork_bomb_hits_the_process_limit() {
    let mut lab = Lab::limited(|limits| limits.pids = 60);
    let start = Instant::now();
    let running = lab.start("f() { f | f & }; f; sleep 100");
    expect(&mut lab, IncompleteCode::ProcessLimit);
    assert!(running.traced.live() <= 60);
    lab.close();
    assert!(start.elapsed() < Duration::from_secs(20));
    next_one_works();
}

fn a_memory_bomb_is_killed_alone() {
    let mut lab = Lab::limited(|limits| {
        limits.memory_bytes = 96 * MIB;
        limits.disk_bytes = 32 * MIB;
    });
    if !bounded_by_cgroup(&lab, "memory") {
        return;
    }
    let output = lab.sh("python3 -c 'a = bytearray(1 << 30)'; echo $?");
    assert!(output.ends_with("137\n"), "{output}");
    expect(&mut lab, IncompleteCode::MemoryLimit);
    assert_eq!(lab.sh("echo fine"), "fine\n", "only the bomb was killed");
    lab.close();
    next_one_works();
}

fn a_full_disk_is_noticed_although_it_is_emptied() {
    let mut lab = Lab::limited(|limits| limits.disk_bytes = 16 * MIB);
    let output = lab.sh("head -c 100M /dev/zero > /tmp/x; sleep 0.3; rm /tmp/x; echo left; head -c 100M /dev/zero > /dev/shm/y; echo $?");
    assert!(output.contains("No space left"), "{output}");
    expect(&mut lab, IncompleteCode::DiskLimit);
    lab.close();
    next_one_works();
}

fn a_full_inode_table_is_noticed() {
    let mut lab = Lab::limited(|limits| limits.inodes = 3000);
    let output = lab.sh("cd /tmp; python3 -c '
try:
    for i in range(10000): open(f\"f{i}\", \"w\").close()
except OSError as error: print(error.strerror)'");
    assert_eq!(output, "No space left on device\n");
    expect(&mut lab, IncompleteCode::DiskLimit);
    lab.close();
    next_one_works();
}

fn an_output_flood_is_cut_and_ends() {
    let mut lab = Lab::new();
    let command = Command {
        output_bytes: 4096,
        ..lab.command(&["/usr/bin/yes", "flood"])
    };
    let running = lab.sandbox.spawn(&command, &lab.session).unwrap();
    let (status, tail) = finish(&running);
    assert_ne!(status, 0, "it was ended by its broken pipe");
    assert!(tail.len() <= 4096 && tail.contains("flood\nflood"));
    let output = running.output();
    assert!(output.truncated && output.total > 4096);
    expect(&mut lab, IncompleteCode::OutputLimit);
    assert_eq!(lab.sh("echo fine"), "fine\n");
    lab.close();
}

fn nothing_hit_means_nothing_reported() {
    let mut lab = Lab::new();
    lab.sh("echo something > f; seq 1000; for i in 1 2 3 4 5; do true & done; wait");
    assert_eq!(lab.sandbox.limits_hit(), []);
    lab.close();
}
