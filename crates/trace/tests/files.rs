//! Files: resolved paths, predicted outcomes, and the bytes of what vanishes.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use apa_model::{Access, EventKind, Owner, OwnerRule, OwnerSource, ProcessExit, ProcessMatch};
use apa_trace::{Captured, Trace};
use common::{Blobs, Options, acts, can_trace, complete, config, digest, find, run, run_with};

/// What was done below `base`, a line each, with the errno after it.
fn acts_below(trace: &Trace, base: &Path) -> Vec<String> {
    let base = format!("{}", base.display());
    trace
        .events
        .iter()
        .filter_map(|event| {
            let line = match &event.kind {
                EventKind::Open {
                    path,
                    access,
                    create,
                    truncate,
                } => {
                    let mut line = format!("open {path} {access:?}");
                    line += if *create { " create" } else { "" };
                    line + if *truncate { " truncate" } else { "" }
                }
                EventKind::Mkdir { path } => format!("mkdir {path}"),
                EventKind::Rename { from, to } => format!("rename {from} {to}"),
                EventKind::Link {
                    target,
                    path,
                    symbolic,
                } => {
                    format!(
                        "{} {target} {path}",
                        if *symbolic { "symlink" } else { "link" }
                    )
                }
                EventKind::Unlink { path, directory } => {
                    format!("{} {path}", if *directory { "rmdir" } else { "unlink" })
                }
                EventKind::Chmod { path, mode } => format!("chmod {path} {mode:o}"),
                EventKind::Truncate { path, length } => format!("truncate {path} {length}"),
                EventKind::Mknod { path, .. } => format!("mknod {path}"),
                EventKind::Chdir { path, .. } => format!("chdir {path}"),
                _ => return None,
            };
            let outcome = event
                .outcome
                .errno
                .map_or("?".to_owned(), |errno| errno.to_string());
            line.contains(&base)
                .then(|| format!("{} = {outcome}", line.replace(&base, "")))
        })
        .collect()
}

const EXPECTED: &[&str] = &[
    "chdir  = 0",
    "mkdir /sub = 0",
    "open /sub Read = 0",
    "open /one Write create = 0",
    "open /sub/two ReadWrite create truncate = 0",
    "symlink sub /link = 0",
    "open /sub/two Read = 0",
    "open /sub/three Write create = 0",
    "open /absent/file Read = 2",
    "rename /one /sub/moved = 0",
    "link /sub/moved /hard = 0",
    "chmod /sub 700 = ?",
    "chmod /hard 755 = 0",
    "chdir /sub = 0",
    "unlink /sub/moved = 0",
    "rmdir /sub/none = 2",
    "truncate /sub/two 7 = 0",
    "mknod /sub/pipe = 0",
];

#[test]
fn paths_are_absolute_and_resolved_and_outcomes_right() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let blobs = Arc::new(Blobs::default());
    let argv = [acts(), "paths", base.to_str().unwrap()];
    let (trace, exit) = run(config(&blobs), &argv, Owner::Package);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    assert_eq!(acts_below(&trace, &base), EXPECTED);
}

#[test]
fn paths_are_those_of_the_sandbox_after_pivot_root() {
    if !can_trace() || !common::is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("inner")).unwrap();
    std::fs::copy(acts(), root.join("acts")).unwrap();
    std::fs::set_permissions(root.join("acts"), PermissionsExt::from_mode(0o755)).unwrap();
    let options = Options {
        root: Some(root.clone()),
        ..Options::default()
    };
    let blobs = Arc::new(Blobs::default());
    let argv = ["/acts", "paths", "/inner"];
    let (trace, exit) = run_with(config(&blobs), &argv, Owner::Package, &options);
    complete(&trace);
    assert_eq!(exit, ProcessExit::Status(0));
    assert_eq!(acts_below(&trace, Path::new("/inner")), EXPECTED);
    assert_eq!(trace.processes[0].exe.to_string(), "/acts");
    let host = root.display().to_string();
    assert!(
        trace
            .events
            .iter()
            .all(|event| !format!("{event:?}").contains(&host))
    );
}

#[test]
fn protected_paths_are_seen_through_links_and_proc() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    std::fs::create_dir(base.join(".ssh")).unwrap();
    std::fs::write(base.join(".ssh/id_rsa"), "bait").unwrap();
    let blobs = Arc::new(Blobs::default());
    let mut config = config(&blobs);
    config.protected = vec!["*/.ssh/*".into()];
    let script = format!(
        "cd {0}; ln -s .ssh/id_rsa plain; cat plain; cat /proc/self/cwd/.ssh/id_rsa; ln -s /proc/self/root deep; \
         cat deep{0}/.ssh/id_rsa; test -e .ssh/id_rsa; test -e .ssh/none; cat .ssh/../.ssh/id_rsa",
        base.display()
    );
    let (trace, _) = run(config, &["/bin/sh", "-c", &script], Owner::Package);
    complete(&trace);
    let secret = format!("{}/.ssh/id_rsa", base.display());
    let reads = find(
        &trace,
        |kind| matches!(kind, EventKind::Open { path, access: Access::Read, .. } if path.to_string() == secret),
    );
    assert_eq!(reads.len(), 4);
    assert!(reads.iter().all(|event| event.outcome.errno == Some(0)));
    let stats: Vec<(String, Option<i32>)> = trace
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Stat { path } => Some((path.to_string(), event.outcome.errno)),
            _ => None,
        })
        .collect();
    assert!(stats.contains(&(secret, Some(0))));
    assert!(stats.contains(&(format!("{}/.ssh/none", base.display()), Some(libc::ENOENT))));
    assert!(trace.counted_only["stat"] > 0);
}

#[test]
fn a_dropped_program_is_kept_though_it_is_deleted() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let blobs = Arc::new(Blobs::default());
    let mut config = config(&blobs);
    config.capture_under = vec![base.to_str().unwrap().into()];
    let script = format!(
        "cd {}; cp {} drop; chmod +x drop; ./drop exit 3; rm drop; printf first >note; printf second >note; \
         mv note other; printf third >note; mv note other; ./drop exit 3",
        base.display(),
        acts()
    );
    let (trace, _) = run(config, &["/bin/sh", "-c", &script], Owner::Package);
    complete(&trace);
    let program = std::fs::read(acts()).unwrap();
    let execs = find(
        &trace,
        |kind| matches!(kind, EventKind::Exec { exe, .. } if exe.to_string().ends_with("/drop")),
    );
    let hashes: Vec<_> = execs
        .iter()
        .map(|event| match &event.kind {
            EventKind::Exec { sha256, .. } => (event.outcome.errno, sha256.clone()),
            _ => unreachable!(),
        })
        .collect();
    assert_eq!(hashes, [(Some(0), Some(digest(&program))), (Some(2), None)]);
    let kept = |when: &str, name: &str, bytes: &[u8]| {
        let sha256 = Some(digest(bytes));
        let is = |file: &Captured| {
            file.when == when && file.sha256 == sha256 && file.path.to_string().ends_with(name)
        };
        assert!(
            trace.captured.iter().any(is),
            "{when} {name}: {:?}",
            trace.captured
        );
        assert_eq!(blobs.0.lock().unwrap()[&digest(bytes)], bytes);
    };
    kept("executed", "/drop", &program);
    kept("deleted", "/drop", &program);
    kept("overwritten", "/note", b"first");
    kept("renamed", "/note", b"second");
    kept("overwritten", "/other", b"second");
    kept("renamed", "/note", b"third");
}

#[test]
fn a_file_too_large_to_keep_is_named_and_makes_the_trace_incomplete() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let blobs = Arc::new(Blobs::default());
    let mut config = config(&blobs);
    config.capture_under = vec![base.to_str().unwrap().into()];
    config.max_captured_file_bytes = 1000;
    let script = format!("cd {}; head -c 5000 /dev/zero >big; rm big", base.display());
    let (trace, _) = run(config, &["/bin/sh", "-c", &script], Owner::Package);
    let big = trace
        .captured
        .iter()
        .find(|file| file.when == "deleted")
        .unwrap();
    assert_eq!((big.size, &big.sha256), (5000, &None));
    assert_eq!(
        trace.incomplete[0].code,
        apa_model::IncompleteCode::DroppedLimit
    );
}

#[test]
fn only_package_code_has_its_deletions_kept() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let blobs = Arc::new(Blobs::default());
    let mut config = config(&blobs);
    config.capture_under = vec![base.to_str().unwrap().into()];
    config.owners = vec![OwnerRule {
        when: ProcessMatch {
            env: vec![("HOOK".into(), "*".into())],
            ..ProcessMatch::default()
        },
        owner: OwnerSource::NameFromEnv {
            variable: "HOOK".into(),
            target: "mine".into(),
        },
        ..OwnerRule::default()
    }];
    config.env_values = vec!["HOOK".into()];
    let script = format!(
        "cd {}; echo a >a; echo b >b; echo c >c; rm a; HOOK=other rm b; HOOK=mine /bin/sh -c 'rm c; true'",
        base.display()
    );
    let (trace, _) = run(config, &["/bin/sh", "-c", &script], Owner::Manager);
    complete(&trace);
    let kept: Vec<String> = trace
        .captured
        .iter()
        .map(|file| file.path.to_string())
        .collect();
    assert_eq!(
        kept,
        ["b", "c"].map(|name| format!("{}/{name}", base.display()))
    );
    let owners: Vec<&Owner> = find(&trace, |kind| matches!(kind, EventKind::Unlink { .. }))
        .iter()
        .map(|event| &event.owner)
        .collect();
    assert_eq!(
        owners,
        [
            &Owner::Manager,
            &Owner::Dependency("other".into()),
            &Owner::Package
        ]
    );
    let hook = trace
        .processes
        .iter()
        .find(|process| process.owner == Owner::Package)
        .unwrap();
    assert_eq!(hook.env["HOOK"].to_string(), "mine");
    assert!(hook.env_names.iter().any(|name| name.as_bytes() == b"HOOK"));
}

#[test]
fn what_the_process_may_not_do_is_predicted_after_it_changed_its_ids() {
    if !can_trace() || !common::is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let mode = |name: &str, mode| {
        std::fs::set_permissions(base.join(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    std::fs::create_dir(base.join("closed")).unwrap();
    for name in ["open", "secret", "closed/inside"] {
        std::fs::write(base.join(name), "x").unwrap();
        mode(name, 0o644);
    }
    mode("", 0o755);
    mode("secret", 0o600);
    mode("closed", 0o700);
    let script = format!(
        "cd {}; cat open secret closed/inside; echo x >new; rm open; chmod 777 open; mkdir made",
        base.display()
    );
    let argv = [
        "/usr/bin/setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "/bin/sh",
        "-c",
        &script,
    ];
    let blobs = Arc::new(Blobs::default());
    let (trace, _) = run(config(&blobs), &argv, Owner::Package);
    complete(&trace);
    assert_eq!(
        acts_below(&trace, &base),
        [
            "chdir  = 0",
            "open /open Read = 0",
            "open /secret Read = 13",
            "open /closed/inside Read = 13",
            "open /new Write create truncate = 13",
            "unlink /open = 13",
            "chmod /open 777 = 1",
            "mkdir /made = 13",
        ]
    );
}
