//! What the tracer sees of programs that behave, misbehave and attack.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use apa_model::{EventKind, Known, Owner, ProcessExit};
use common::{Blobs, acts, complete, config, find, run};

#[test]
fn exec_tree_keeps_every_byte_of_the_arguments() {
    let blobs = Arc::new(Blobs::default());
    let script: &[u8] = b"/usr/bin/true '\xff\xfe,\n\"' ; /bin/sh -c '/usr/bin/false a b; true'";
    let argv: [&[u8]; 3] = [b"/bin/sh", b"-c", script];
    let (trace, exit) = run(config(&blobs), &argv, Owner::Package);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    let execs: Vec<Vec<u8>> = find(&trace, |kind| matches!(kind, EventKind::Exec { .. }))
        .iter()
        .filter(|event| !event.outcome.failed())
        .map(|event| match &event.kind {
            EventKind::Exec { argv, .. } => argv.last().unwrap().as_bytes().to_vec(),
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(execs[0], script);
    assert_eq!(execs[1], b"\xff\xfe,\n\"");
    assert!(execs.iter().any(|last| last == b"b"));
    let root = &trace.processes[0];
    assert_eq!(root.parent, None);
    assert_eq!(root.exit, Some(ProcessExit::Status(0)));
    for child in &trace.processes[1..] {
        assert!(child.parent.is_some());
        assert_eq!(child.owner, Owner::Package);
        assert!(child.ended_us >= Some(child.started_us));
    }
    assert!(
        trace
            .processes
            .iter()
            .any(|process| process.exit == Some(ProcessExit::Status(1)))
    );
}

#[test]
fn refused_calls_fail_as_told_and_are_recorded() {
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = run(config(&blobs), &[acts(), "refused"], Owner::Package);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    let answered: Vec<String> = trace
        .events
        .iter()
        .filter(|event| event.outcome.known == Known::Answered)
        .map(|event| match &event.kind {
            EventKind::Refused { call } | EventKind::Inspect { call, .. } => call.clone(),
            EventKind::Privileged { call, detail } => format!("{call} {detail}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        answered,
        [
            "io_uring_setup",
            "ptrace",
            "unshare user",
            "clone user",
            "clone untraced",
            "clone3 net",
            "mount none on /mnt",
            "bpf ",
            "prctl not dumpable",
            "x32 getpid",
            "32-bit syscall_20",
        ]
    );
}
