//! What the tracer sees of programs that behave, misbehave and attack.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use apa_model::{EventKind, IncompleteCode, Known, Owner, ProcessExit, Transport};
use apa_trace::Session;
use common::{Blobs, Options, acts, can_trace, complete, config, find, run, soon, start};

#[test]
fn exec_tree_keeps_every_byte_of_the_arguments() {
    if !can_trace() {
        return;
    }
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
    if !can_trace() {
        return;
    }
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

fn act(config: apa_trace::TraceConfig, arguments: &[&str]) -> (apa_trace::Trace, ProcessExit) {
    let argv: Vec<&str> = [acts()]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    run(config, &argv, Owner::Package)
}

#[test]
fn addresses_of_every_family_are_seen() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, _) = act(config(&blobs), &["nets"]);
    complete(&trace);
    let lines: Vec<String> = trace
        .events
        .iter()
        .filter_map(|event| {
            Some(match &event.kind {
                EventKind::Socket { domain, kind } => format!("socket {domain} {kind}"),
                EventKind::Connect { address } => format!("connect {address}"),
                EventKind::Send { address, length } => format!("send {address} {length}"),
                EventKind::Bind { address } => format!("bind {address}"),
                EventKind::Listen => "listen".to_owned(),
                EventKind::Dup { to, target, .. } => format!("dup {to} {target}"),
                _ => return None,
            })
        })
        .collect();
    assert_eq!(
        lines,
        [
            "socket inet stream",
            "connect 192.0.2.7:4444",
            "socket inet6 dgram",
            "connect [2001:db8::7]:53",
            "socket inet dgram",
            "send 192.0.2.7:4444 5",
            "send 192.0.2.7:4444 7",
            "send 192.0.2.7:4444 7",
            "socket unix stream",
            "connect unix:/run/none.sock",
            "connect unix:@hidden",
            "socket inet stream",
            "bind 127.0.0.1:0",
            "listen",
            "dup 1 socket",
        ]
    );
}

#[test]
fn a_program_in_memory_is_named_hashed_and_kept() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = act(config(&blobs), &["memfd"]);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(7));
    let program = std::fs::read(acts()).unwrap();
    let exec = find(&trace, |kind| matches!(kind, EventKind::Exec { .. }))[1];
    let EventKind::Exec {
        exe, argv, sha256, ..
    } = &exec.kind
    else {
        unreachable!()
    };
    assert_eq!(exe.to_string(), "memfd:shade");
    assert_eq!(argv[0].to_string(), "renamed");
    assert_eq!(sha256.as_deref(), Some(&common::digest(&program)[..]));
    assert_eq!(blobs.0.lock().unwrap()[&common::digest(&program)], program);
    assert_eq!(
        find(&trace, |kind| matches!(kind, EventKind::Memfd { .. })).len(),
        1
    );
}

#[test]
fn a_static_program_with_raw_calls_is_seen() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let program = common::raw();
    let (trace, exit) = run(config(&blobs), &[program], Owner::Package);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(4));
    let open = find(&trace, |kind| matches!(kind, EventKind::Open { .. }))[0];
    let expected = "/etc/hostname-of-raw";
    assert!(matches!(&open.kind, EventKind::Open { path, .. } if path.to_string() == expected));
    assert_eq!(open.outcome.errno, Some(libc::ENOENT));
}

#[test]
fn threads_are_no_processes_and_an_exec_by_one_ends_the_others() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = act(config(&blobs), &["thread-exec"]);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(5));
    assert_eq!(trace.processes.len(), 1);
    let execs = find(&trace, |kind| matches!(kind, EventKind::Exec { .. }));
    assert_eq!(execs.len(), 2);
    assert!(execs.iter().all(|event| event.outcome.errno == Some(0)));
}

#[test]
fn children_by_vfork_and_thousands_of_short_ones_are_all_known() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = act(config(&blobs), &["vforks"]);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    assert_eq!(trace.processes.len(), 21);
    let (trace, exit) = act(config(&blobs), &["many", "2000"]);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    assert_eq!(trace.processes.len(), 2001);
    assert!(
        trace
            .processes
            .iter()
            .all(|process| process.exit == Some(ProcessExit::Status(0)))
    );
}

#[test]
fn memory_made_executable_is_seen() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, _) = act(config(&blobs), &["memory"]);
    let made: Vec<(String, bool)> = trace
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::MakeExecutable { call, writable } => Some((call.clone(), *writable)),
            _ => None,
        })
        .collect();
    assert_eq!(
        made,
        [("mmap".to_owned(), true), ("mprotect".to_owned(), false)]
    );
}

#[test]
fn job_control_and_signals_work_under_the_tracer() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = act(config(&blobs), &["stop"]);
    assert_eq!(exit, ProcessExit::Status(0));
    assert!(
        !find(&trace, |kind| matches!(
            kind,
            EventKind::Kill {
                signal: libc::SIGCONT,
                ..
            }
        ))
        .is_empty()
    );
    let (_, exit) = act(config(&blobs), &["signals"]);
    assert_eq!(exit, ProcessExit::Status(0));
}

#[test]
fn a_long_sleep_is_shortened_and_reported() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = act(config(&blobs), &["naps"]);
    assert_eq!(exit, ProcessExit::Status(0));
    let naps = find(&trace, |kind| {
        *kind
            == EventKind::Sleep {
                asked_ms: 3_600_000,
                slept_ms: 1000,
            }
    });
    assert_eq!(naps.len(), 1);
}

#[test]
fn a_daemon_stays_traced_after_its_command_ended_until_the_tree_is_killed() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let session = Session::start(config(&blobs));
    let traced = start(
        &session,
        &[acts(), "daemon"],
        Owner::Package,
        &Options::default(),
    );
    let other = start(
        &session,
        &[acts(), "hang"],
        Owner::Package,
        &Options::default(),
    );
    assert_eq!(traced.wait(soon()), Some(ProcessExit::Status(0)));
    assert_eq!((traced.live(), session.live_processes()), (1, 2));
    traced.kill_tree();
    assert_eq!((traced.live(), session.live_processes()), (0, 1));
    assert_eq!(other.wait(std::time::Instant::now()), None);
    let trace = session.finish();
    complete(&trace);
    assert_eq!(trace.processes.len(), 4);
    let killed = ProcessExit::Signal(libc::SIGKILL);
    assert_eq!(
        trace
            .processes
            .iter()
            .filter(|process| process.exit == Some(killed))
            .count(),
        2
    );
}

#[test]
fn a_sample_that_kills_everything_ends_alone() {
    if !can_trace() || !common::is_root() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let session = Session::start(config(&blobs));
    // Its own pid namespace, or it would take the machine with it.
    let options = Options {
        new_pids: true,
        ..Options::default()
    };
    let script = "sleep 100 & /bin/sh -c 'kill -9 -1; kill -9 1; exit 0'; kill -STOP $$; exit 6";
    let traced = start(
        &session,
        &["/bin/sh", "-c", script],
        Owner::Package,
        &options,
    );
    assert_eq!(traced.wait(soon()), Some(ProcessExit::Status(6)));
    let trace = session.finish();
    complete(&trace);
    assert_eq!(trace.processes[0].pid, 1);
    assert_eq!(
        find(&trace, |kind| *kind
            == EventKind::Kill { pid: -1, signal: 9 })
        .len(),
        1
    );
    assert!(trace.processes.iter().all(|process| process.exit.is_some()));
}

#[test]
fn printed_text_shaped_like_events_changes_nothing() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let event = r#"{"seq":1,"what":"connect","address":"192.0.2.1:1"}"#;
    let script = format!("echo '{event}'; echo '{event}' >&2; echo 'connect(3, 192.0.2.1)'");
    let (trace, _) = run(config(&blobs), &["/bin/sh", "-c", &script], Owner::Package);
    complete(&trace);
    assert!(find(&trace, |kind| matches!(kind, EventKind::Connect { .. })).is_empty());
}

#[test]
fn a_flood_of_reads_loses_no_security_event() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let mut config = config(&blobs);
    config.max_events = 500;
    let (trace, _) = act(config, &["flood", "/etc/hostname", "20000"]);
    assert_eq!(trace.lost, 0);
    let connects = find(&trace, |kind| matches!(kind, EventKind::Connect { .. }));
    assert_eq!(connects.len(), 4);
    let opens = find(&trace, |kind| matches!(kind, EventKind::Open { .. })).len() as u64;
    assert!(opens + trace.counted_only["open"] >= 20_000);
    assert_eq!(trace.incomplete[0].code, IncompleteCode::EventLimit);
    let counted = trace
        .syscalls
        .iter()
        .find(|(_, _, call, _)| call == "openat")
        .unwrap();
    assert!(counted.3 >= 20_000);
}

#[test]
fn recording_every_call_gives_arguments_and_true_outcomes() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let mut config = config(&blobs);
    config.all_syscalls = true;
    let program = common::raw();
    let script = format!("{program}; echo hello >/dev/null; /usr/bin/absent; true");
    let (trace, exit) = run(config, &["/bin/sh", "-c", &script], Owner::Package);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    let writes = find(
        &trace,
        |kind| matches!(kind, EventKind::Syscall { call, args, ret: Some(6) } if call == "write" && args[0] == 1 && args[2] == 6),
    );
    assert_eq!(writes.len(), 1);
    let opens = find(&trace, |kind| matches!(kind, EventKind::Open { .. }));
    assert!(
        opens
            .iter()
            .all(|event| event.outcome.known == Known::Observed)
    );
    let absent = find(
        &trace,
        |kind| matches!(kind, EventKind::Exec { exe, .. } if exe.to_string() == "/usr/bin/absent"),
    );
    assert!(
        absent
            .iter()
            .all(|event| event.outcome.known == Known::Observed && event.outcome.failed())
    );
}

#[test]
fn a_connection_is_attributed_to_who_made_it() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let session = Session::start(config(&blobs));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let destination = listener.local_addr().unwrap();
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; read line <&3",
        destination.port()
    );
    let commands: Vec<_> = (0..2)
        .map(|_| {
            start(
                &session,
                &["/bin/bash", "-c", &script],
                Owner::Package,
                &Options::default(),
            )
        })
        .collect();
    let mut found = Vec::new();
    for _ in 0..2 {
        let (stream, source) = listener.accept().unwrap();
        found.push((
            session
                .attribute(Transport::Tcp, source, destination)
                .unwrap(),
            stream,
        ));
    }
    found.sort_by_key(|(id, _)| *id);
    let ids: Vec<_> = found.iter().map(|(id, _)| *id).collect();
    assert_eq!(
        ids,
        commands
            .iter()
            .map(|command| command.root())
            .collect::<Vec<_>>()
    );
    session.finish();
}

#[test]
fn a_child_that_never_arms_is_an_error_and_dies() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let session = Session::start(config(&blobs));
    let mut child = std::process::Command::new("/usr/bin/sleep")
        .arg("100")
        .spawn()
        .unwrap();
    let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
    drop(theirs);
    let error = session
        .attach(child.id() as i32, ours.into(), Owner::Package)
        .err()
        .unwrap();
    assert!(matches!(error, apa_trace::TraceError::Handshake { .. }));
    assert!(!child.wait().unwrap().success());
    assert!(session.finish().processes.is_empty());
}

#[test]
fn a_child_given_to_another_parent_is_still_its_makers() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = act(config(&blobs), &["give-away"]);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    // The command, its child, and the grandchild that the kernel calls the command's child.
    let parents: Vec<_> = trace
        .processes
        .iter()
        .map(|process| process.parent)
        .collect();
    let ids: Vec<_> = trace
        .processes
        .iter()
        .map(|process| Some(process.id))
        .collect();
    assert_eq!(parents, [None, ids[0], ids[1]]);
}

#[test]
fn processes_that_die_at_any_moment_are_accounted_for() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = act(config(&blobs), &["massacre", "150"]);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    assert!(trace.processes.len() >= 151);
    assert!(trace.processes.iter().all(|process| process.exit.is_some()));
}

#[test]
fn a_process_in_its_own_user_namespace_is_traced_like_any_other() {
    if !can_trace() {
        return;
    }
    if !std::process::Command::new("unshare")
        .args(["-U", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("SKIPPED: no user namespaces here");
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let options = Options {
        new_pids: true,
        new_user: true,
        ..Options::default()
    };
    let script = "cd /etc; read line <hostname; /bin/true; cat /proc/none";
    let argv = ["/bin/sh", "-c", script];
    let (trace, _) = common::run_with(config(&blobs), &argv, Owner::Package, &options);
    complete(&trace);
    let open = |wanted: &str, errno| {
        find(&trace, |kind| matches!(kind, EventKind::Open { path, .. } if path.as_bytes() == wanted.as_bytes()))
            .iter()
            .any(|event| event.outcome.errno == errno)
    };
    assert!(open("/etc/hostname", Some(0)));
    assert!(open("/proc/none", Some(libc::ENOENT)));
    assert!(
        trace
            .processes
            .iter()
            .any(|process| process.exe.to_string().ends_with("/true"))
    );
    assert_eq!(trace.processes[0].pid, 1);
}

#[test]
fn a_process_whose_first_thread_ended_is_still_seen_through() {
    if !can_trace() {
        return;
    }
    let blobs = Arc::new(Blobs::default());
    let (trace, exit) = act(
        config(&blobs),
        &["headless", "/proc/self/cwd/../etc/hostname"],
    );
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(3));
    assert_eq!(trace.processes.len(), 1);
    let outcome = |wanted: &str| {
        trace.events.iter().find_map(|event| match &event.kind {
            EventKind::Open { path, .. } if path.as_bytes() == wanted.as_bytes() => {
                event.outcome.errno
            }
            _ => None,
        })
    };
    assert_eq!(outcome("/etc/hostname"), Some(0));
    assert_eq!(outcome("/usr/absent"), Some(libc::ENOENT));
}
