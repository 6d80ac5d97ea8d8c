//! What package code was seen doing, from a closed list. One table from facts, one from relations between acts.

use std::collections::{BTreeMap, BTreeSet};

use apa_model::report::CapabilityRecord;
use apa_model::{Capability as C, EventKind, Fact, IncompleteCode, Phase};

use crate::baseline::Subtraction;
use crate::paths::{self, Credential, Persistence};
use crate::programs;
use crate::rules::{SUSPECT_CALLS, is_memory};
use crate::view::{View, Writer, network, written_path};

/// Folders of the home below which one tree looked, from which on it walks.
const MANY_FOLDERS: usize = 20;

/// Capabilities of package code beyond the baseline, sorted by name. A capability that follows from how acts relate
/// (files written and then run, folders walked) stands without phases.
pub(crate) fn derive(
    view: &View<'_>,
    facts: &[Fact],
    baseline: &Subtraction<'_>,
) -> Vec<CapabilityRecord> {
    let mut found: BTreeMap<C, (BTreeSet<Phase>, u32)> = BTreeMap::new();
    let single = facts
        .iter()
        .filter(|fact| fact.owner.is_package_code() && !baseline.explains(fact))
        .flat_map(|fact| of_fact(fact).into_iter().map(|found| (found, fact.phase)));
    for (capability, phase) in single.chain(of_programs(view)) {
        let (phases, facts) = found.entry(capability).or_default();
        phases.insert(phase);
        *facts += 1;
    }
    for capability in of_relations(view) {
        found.entry(capability).or_default();
    }
    let mut records: Vec<CapabilityRecord> = found
        .into_iter()
        .map(|(capability, (phases, facts))| CapabilityRecord {
            capability,
            phases: phases.into_iter().collect(),
            facts,
        })
        .collect();
    records.sort_by_key(|record| record.capability.to_string());
    records
}

/// The table from single facts. A failed act shows what was tried, which counts where trying is the point.
fn of_fact(fact: &Fact) -> Vec<C> {
    let object = fact.object.lossy();
    let worked = fact.outcome != "failed";
    match fact.action.as_str() {
        "connect" if is_remote(&object) => vec![C::NetworkConnect],
        "dns" => vec![C::NetworkDns],
        "http" => vec![C::NetworkHttp],
        "send" | "canary.sent" if is_remote(&object) => vec![C::NetworkSend],
        "download" => vec![C::NetworkDownload],
        "listen" => vec![C::NetworkListen],
        // Runtimes list network cards by a raw netlink socket.
        "socket" if object.starts_with("packet ") || is_raw_inet(&object) => {
            vec![C::NetworkRawSocket]
        }
        "inspect" => vec![C::ProcessInspect],
        "kill" if object.starts_with("everyone") || object.starts_with("init") => {
            vec![C::ProcessKill]
        }
        "privileged" => privileged(&object),
        "chroot" => vec![C::ProcessPrivilege],
        // Runtimes try io_uring by themselves, wherever they are started.
        "refused" if !object.starts_with("io_uring") => vec![C::KernelRestrictedCall],
        "memory.executable" => vec![C::MemoryExecutable],
        "sleep" if object != "under a minute" => vec![C::SystemEvasion],
        "file.read" if worked => read(&object),
        "file.chmod" if worked && is_executable_mode(&object) => vec![C::FileMakeExecutable],
        "file.rename" | "file.write" | "file.link" | "file.mkdir" | "file.mknod" if worked => {
            written(changed_path(&fact.action, &object))
        }
        _ => Vec::new(),
    }
}

fn is_raw_inet(socket: &str) -> bool {
    socket.starts_with("inet") && socket.ends_with(" raw")
}

/// `host:port` of another machine.
fn is_remote(peer: &str) -> bool {
    peer.contains(':')
        && !peer.starts_with("unix:")
        && !peer.starts_with("<gateway>")
        && !peer.starts_with("127.")
        && !peer.starts_with("[::1]")
        && !peer.starts_with("localhost:")
}

fn privileged(object: &str) -> Vec<C> {
    let call = object.split(' ').next().unwrap_or_default();
    let restricted = SUSPECT_CALLS.contains(&call);
    let mut found = vec![C::ProcessPrivilege];
    if restricted {
        found.push(C::KernelRestrictedCall);
    }
    found
}

/// A new name stands behind the arrow of a rename, before that of a link.
fn changed_path<'t>(action: &str, object: &'t str) -> &'t str {
    match object.split_once(" -> ") {
        Some((_, to)) if action == "file.rename" => to,
        Some((path, _)) => path,
        None => object,
    }
}

fn is_executable_mode(object: &str) -> bool {
    object
        .rsplit(' ')
        .next()
        .and_then(|mode| u32::from_str_radix(mode, 8).ok())
        .is_some_and(|mode| mode & 0o111 != 0)
}

fn read(path: &str) -> Vec<C> {
    let mut found = Vec::new();
    match paths::credential(path, "<home>") {
        Some(Credential::Browser) => found.push(C::FileReadBrowser),
        Some(Credential::Wallet) => found.push(C::FileReadWallet),
        Some(_) => found.push(C::FileReadCredential),
        None => {}
    }
    if path.starts_with("<home>/") && !paths::is_library(path) {
        found.push(C::FileReadHome);
    }
    if path.starts_with("/proc/<pid>/") {
        found.push(C::FileReadProcess);
    }
    if paths::is_system_description(path) {
        found.push(C::FileReadSystem);
    }
    if paths::is_identity(path) {
        found.push(C::SystemFingerprint);
    }
    if paths::is_sandbox_probe(path) {
        found.push(C::SystemEvasion);
    }
    found
}

fn written(path: &str) -> Vec<C> {
    let device = [
        "/dev/null",
        "/dev/tty",
        "/dev/pts/",
        "/dev/ptmx",
        "/proc/self/",
    ];
    if path.starts_with("<package>") || device.iter().any(|prefix| path.starts_with(prefix)) {
        return Vec::new();
    }
    let mut found = vec![place(path)];
    match paths::persistence(path, "<home>") {
        Some(Persistence::ShellProfile) => found.push(C::PersistShellProfile),
        Some(_) => found.push(C::PersistAutostart),
        None => {}
    }
    if paths::is_interpreter_hook(path) {
        found.push(C::PersistInterpreter);
    }
    found
}

fn place(path: &str) -> C {
    let library = paths::is_library(path);
    if path.starts_with("<tmp>") || path.starts_with("/dev/shm/") {
        C::FileWriteTemp
    } else if library {
        C::FileWriteForeignPackage
    } else if path.starts_with("<project>") {
        C::FileWriteProject
    } else if path.starts_with("<home>") {
        C::FileWriteHome
    } else {
        C::FileWriteSystem
    }
}

/// Programs that package code started. The first process of a command is our own doing.
fn of_programs(view: &View<'_>) -> Vec<(C, Phase)> {
    let mut found = Vec::new();
    for act in view.programs() {
        let EventKind::Exec { exe, .. } = &act.kind else {
            continue;
        };
        let Some(process) = view.process(act.process) else {
            continue;
        };
        if process.parent.is_none() {
            continue;
        }
        let exe = exe.lossy();
        found.push((C::ExecProgram, act.phase));
        let more = [
            (programs::is_shell(&exe), C::ExecShell),
            (programs::is_downloader(&exe), C::ExecDownloader),
            (programs::is_toolchain(process), C::ExecToolchain),
            (is_memory(&exe), C::ExecMemory),
            (
                programs::fingerprint_question(&exe).is_some(),
                C::SystemFingerprint,
            ),
        ];
        found.extend(
            more.iter()
                .filter(|(holds, _)| *holds)
                .map(|(_, capability)| (*capability, act.phase)),
        );
    }
    found
}

/// The table from relations between acts.
fn of_relations(view: &View<'_>) -> Vec<C> {
    let lingers = view.acts().iter().any(|act| act.phase == Phase::Linger)
        || view
            .flows()
            .iter()
            .any(|sent| sent.flow.phase == Phase::Linger);
    let metadata = view
        .flows()
        .iter()
        .any(|sent| network::is_metadata_service(sent.flow));
    let dropped = view
        .executions()
        .iter()
        .any(|run| run.origin.writer == Writer::Package);
    let exhausted = view.observation.incomplete.iter().any(|reason| {
        matches!(
            reason.code,
            IncompleteCode::MemoryLimit | IncompleteCode::ProcessLimit | IncompleteCode::DiskLimit
        )
    });
    let (own, foreign) = deletions(view);
    [
        (lingers, C::ProcessDaemon),
        (metadata, C::NetworkMetadataService),
        (dropped, C::ExecDropped),
        (exhausted, C::ResourceExhaust),
        (own, C::FileDeleteSelf),
        (foreign, C::FileDelete),
        (walks(view), C::FileEnumerate),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, capability)| capability)
    .collect()
}

/// Whether files of the package, and files it had not made, were deleted.
fn deletions(view: &View<'_>) -> (bool, bool) {
    let mut made: BTreeSet<&[u8]> = BTreeSet::new();
    let (mut own, mut foreign) = (false, false);
    for act in view.acts().iter().filter(|act| !act.outcome.failed()) {
        if let Some(path) = written_path(&act.kind) {
            made.insert(path.as_bytes());
        }
        if let EventKind::Unlink {
            path,
            directory: false,
        } = &act.kind
            && !made.contains(path.as_bytes())
        {
            let path = path.lossy();
            if view.is_package_file(&path) {
                own = true;
            } else if !paths::is_temporary(&path) {
                foreign = true;
            }
        }
    }
    (own, foreign)
}

/// Whether one tree opened something in many folders of the home outside the project.
fn walks(view: &View<'_>) -> bool {
    view.trees().any(|(_, acts)| {
        let folders: BTreeSet<String> = acts
            .iter()
            .filter_map(|act| match &act.kind {
                EventKind::Open { path, .. } => Some(path.lossy()),
                _ => None,
            })
            .filter(|path| {
                paths::under(path, &view.observation.home).is_some()
                    && !view.is_own(path)
                    && !paths::is_library(path)
            })
            .filter_map(|path| path.rsplit_once('/').map(|(folder, _)| folder.to_owned()))
            .collect();
        folders.len() >= MANY_FOLDERS
    })
}

#[cfg(test)]
mod tests {
    use apa_model::{Incomplete, Owner};

    use super::*;
    use crate::Baseline;
    use crate::testing::Scene;

    fn of(action: &str, object: &str) -> Vec<String> {
        let fact = Fact {
            phase: Phase::Import,
            owner: Owner::Package,
            action: action.into(),
            object: object.into(),
            outcome: "ok".into(),
        };
        of_fact(&fact).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn single_facts_give_their_capability() {
        for (action, object, expected) in [
            ("connect", "collect.test:443", "network.connect"),
            ("dns", "collect.test", "network.dns"),
            ("http", "GET https://collect.test/", "network.http"),
            ("send", "collect.test:443", "network.send"),
            ("download", "collect.test:443", "network.download"),
            ("listen", "", "network.listen"),
            ("socket", "packet raw", "network.raw-socket"),
            ("inspect", "ptrace", "process.inspect"),
            ("kill", "everyone signal 9", "process.kill"),
            ("privileged", "setuid 0", "process.privilege"),
            (
                "privileged",
                "bpf",
                "process.privilege kernel.restricted-call",
            ),
            ("refused", "32-bit entry", "kernel.restricted-call"),
            ("refused", "io_uring_setup", ""),
            ("memory.executable", "mprotect", "memory.executable"),
            ("sleep", "hours", "system.evasion"),
            (
                "file.read",
                "<home>/.ssh/id_rsa",
                "file.read.credential file.read.home",
            ),
            (
                "file.read",
                "<home>/.config/chromium/x",
                "file.read.browser file.read.home",
            ),
            (
                "file.read",
                "<home>/.bitcoin/x",
                "file.read.wallet file.read.home",
            ),
            (
                "file.read",
                "/etc/machine-id",
                "file.read.system system.fingerprint",
            ),
            ("file.read", "/proc/<pid>/maps", "file.read.process"),
            ("file.write", "<tmp>/x", "file.write.temp"),
            ("file.write", "<project>/x", "file.write.project"),
            (
                "file.write",
                "<project>/node_modules/y/x",
                "file.write.foreign-package",
            ),
            ("file.write", "<home>/x", "file.write.home"),
            ("file.write", "/opt/x", "file.write.system"),
            (
                "file.rename",
                "<tmp>/x -> <home>/.bashrc",
                "file.write.home persist.shell-profile",
            ),
            (
                "file.write",
                "/etc/cron.d/x",
                "file.write.system persist.autostart",
            ),
            (
                "file.write",
                "<home>/.local/lib/python3.13/site-packages/x.pth",
                "file.write.foreign-package persist.interpreter",
            ),
            ("file.chmod", "<tmp>/x 0755", "file.make-executable"),
            ("file.chmod", "<tmp>/x 0644", ""),
            ("socket", "inet raw", "network.raw-socket"),
            ("socket", "netlink raw", ""),
            ("send", "netlink", ""),
            ("connect", "<gateway>", ""),
            ("connect", "127.0.0.1:3000", ""),
            ("file.write", "<package>/x", ""),
            ("file.write", "/dev/null", ""),
        ] {
            assert_eq!(of(action, object).join(" "), expected, "{action} {object}");
        }
    }

    #[test]
    fn programs_give_their_capability() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        for exe in [
            "/bin/sh",
            "/usr/bin/curl",
            "/usr/bin/gcc",
            "memfd:x",
            "/usr/bin/whoami",
        ] {
            scene.child(hook, exe, &[exe]);
        }
        scene.at(hook).write("/tmp/x");
        scene.child(hook, "/tmp/x", &["/tmp/x"]);
        let found: Vec<String> = scene
            .judge()
            .capabilities
            .iter()
            .map(|record| record.capability.to_string())
            .collect();
        assert_eq!(
            found,
            [
                "exec.downloader",
                "exec.dropped",
                "exec.memory",
                "exec.program",
                "exec.shell",
                "exec.toolchain",
                "file.write.temp",
                "system.fingerprint",
            ]
        );
    }

    #[test]
    fn relations_give_their_capability() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        for n in 0..MANY_FOLDERS {
            scene.at(hook).read(&format!("/home/kim/docs{n}/x"));
        }
        scene
            .at(hook)
            .unlink("/home/kim/app/node_modules/left-pad/x.js")
            .unlink("/home/kim/docs/x")
            .raw("169.254.169.254:80", 3);
        scene.phase(Phase::Linger).at(hook).stat("/x");
        scene.observation_mut().incomplete.push(Incomplete {
            code: IncompleteCode::MemoryLimit,
            phase: None,
            detail: "".into(),
        });
        let found: BTreeSet<String> = scene
            .judge()
            .capabilities
            .iter()
            .map(|record| record.capability.to_string())
            .collect();
        for expected in [
            "file.enumerate",
            "file.delete",
            "file.delete.self",
            "network.metadata-service",
            "process.daemon",
            "resource.exhaust",
        ] {
            assert!(found.contains(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn the_baseline_and_the_manager_give_none() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm"]);
        scene
            .at(npm)
            .read("/home/kim/.npmrc")
            .connect("192.0.2.1:443");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene.at(node).read("/proc/meminfo");
        let observation = scene.observation();
        let baseline = Baseline::from_iter(crate::facts(&observation));
        assert_eq!(crate::judge(&observation, &baseline).capabilities, []);
    }
}
