//! What this machine offers, why it matters, and the command that fixes what is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apa_model::Limits;

use crate::cgroup::Cgroups;
use crate::ids::Ids;
use crate::kernel;
use crate::leftovers::fresh_name;
use crate::{SandboxSpec, default_backend};

/// How much of something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Works.
    Present,
    /// Works with less.
    Degraded,
    /// Does not work.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Of what.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// Why it matters.
    pub why: &'static str,
    /// The command or change that fixes it; `None` when there is nothing to fix.
    pub fix: Option<String>,
}

/// Looks at everything. The first check really makes a sandbox and removes it, so the program must have called
/// [`crate::run_helper_role`].
pub fn check() -> Vec<Check> {
    vec![
        sandbox(),
        user_namespaces(),
        users(),
        control_groups(),
        notification(),
        wake_up(),
        tracing(),
        descriptor_transfer(),
        python(),
        node(),
        ruby(),
        php(),
        rust(),
        java(),
        certificates(),
    ]
}

fn present(name: &'static str, why: &'static str, found: impl Into<String>) -> Check {
    Check {
        name,
        state: State::Present,
        found: found.into(),
        why,
        fix: None,
    }
}

impl Check {
    fn but(self, state: State, fix: impl Into<String>) -> Self {
        Self {
            state,
            fix: Some(fix.into()),
            ..self
        }
    }
}

fn sandbox() -> Check {
    const WHY: &str = "nested user, mount, pid, network, ipc and uts namespaces, a memory file system and transparent \
                       interception (TPROXY) hold the sample; without them nothing is run";
    match default_backend().create(SandboxSpec::default()) {
        Ok(sandbox) => {
            let found = format!("a sandbox was made in {} ms", sandbox.info().ready_ms);
            let problems = sandbox.destroy().problems;
            let check = present("isolation", WHY, found);
            if problems.is_empty() {
                return check;
            }
            Check {
                found: problems.join("; "),
                ..check
            }
            .but(
                State::Degraded,
                "end other users of these resources and run `apa doctor` again",
            )
        }
        Err(error) => present("isolation", WHY, error.to_string())
            .but(State::Missing, isolation_fix(&error.to_string())),
    }
}

/// What usually stands behind a step that fails.
fn isolation_fix(error: &str) -> String {
    let root = nix::unistd::geteuid().is_root();
    let container = ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|mark| Path::new(mark).exists());
    if error.contains("packet filter") {
        return "use a kernel with nf_tables, nft_tproxy and nft_socket: modprobe -a nf_tables nft_tproxy nft_socket".into();
    }
    if container {
        return "this is a container: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                --security-opt systempaths=unconfined, or with --privileged"
            .into();
    }
    match (root, apparmor_restricts()) {
        (false, true) => "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root".into(),
        (false, false) => "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000, or run as root".into(),
        (true, _) => "sysctl -w user.max_user_namespaces=10000".into(),
    }
}

fn sysctl(name: &str) -> Option<u64> {
    fs::read_to_string(Path::new("/proc/sys").join(name))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn apparmor_restricts() -> bool {
    sysctl("kernel/apparmor_restrict_unprivileged_userns") == Some(1)
}

fn user_namespaces() -> Check {
    const WHY: &str = "the sample is root of nothing: its user exists only in a namespace";
    let allowed = sysctl("user/max_user_namespaces").unwrap_or(0);
    let check = present("user namespaces", WHY, format!("at most {allowed}"));
    let root = nix::unistd::geteuid().is_root();
    if allowed < 4 {
        check.but(State::Missing, "sysctl -w user.max_user_namespaces=10000")
    } else if !root && sysctl("kernel/unprivileged_userns_clone") == Some(0) {
        check.but(
            State::Missing,
            "sysctl -w kernel.unprivileged_userns_clone=1, or run as root",
        )
    } else if !root && apparmor_restricts() {
        Check {
            found: "AppArmor forbids them to programs without a profile".into(),
            ..check
        }
        .but(
            State::Missing,
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root",
        )
    } else {
        check
    }
}

fn users() -> Check {
    let ids = Ids::detect();
    let check = present(
        "users",
        "as root the sample and the sandbox's own processes are different users of the host",
        ids.describe(),
    );
    if ids.many() {
        return check;
    }
    check.but(State::Degraded, "run as root")
}

fn control_groups() -> Check {
    let limits = Limits::default();
    let groups = Cgroups::create(&fresh_name(), &limits);
    let found = groups.describe(&limits).join("; ");
    let check = present(
        "control groups",
        "bound memory, processes and processor time of the whole sample",
        found,
    );
    let complete = groups.bounds_memory() && groups.bounds_pids();
    let problems = groups.remove();
    match (complete, problems.is_empty()) {
        (true, true) => check,
        (_, false) => Check { found: problems.join("; "), ..check }.but(State::Degraded, "remove the groups named"),
        (false, _) => check.but(
            State::Degraded,
            "run as root, or with delegated groups: systemd-run --user --scope -p Delegate=yes apa …",
        ),
    }
}

fn notification() -> Check {
    const WHY: &str = "the tracer sees every call of interest before it is made";
    let check = present("seccomp user notification", WHY, "available");
    if kernel::seccomp_action_available(libc::SECCOMP_RET_USER_NOTIF) {
        return check;
    }
    Check {
        found: "not in this kernel".into(),
        ..check
    }
    .but(
        State::Missing,
        "use kernel 5.5 or later with CONFIG_SECCOMP_FILTER",
    )
}

fn wake_up() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.trim().parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let check = present(
        "synchronous wake-up",
        "makes tracing of a call three times faster (8 µs instead of 28)",
        format!("kernel {}", release.trim()),
    );
    if version >= (6, 6) {
        check
    } else {
        check.but(State::Degraded, "use kernel 6.6 or later")
    }
}

fn tracing() -> Check {
    let scope = sysctl("kernel/yama/ptrace_scope").unwrap_or(0);
    let check = present(
        "ptrace",
        "executions, births and ends of processes are known from it",
        format!("kernel.yama.ptrace_scope is {scope}"),
    );
    let allowed = scope < 2 || (scope == 2 && nix::unistd::geteuid().is_root());
    if allowed {
        check
    } else {
        check.but(
            State::Missing,
            "sysctl -w kernel.yama.ptrace_scope=1 (3 needs a restart)",
        )
    }
}

fn descriptor_transfer() -> Check {
    let check = present(
        "pidfd_getfd",
        "takes the notification descriptor over from the sample's process",
        "available",
    );
    if kernel::can_take_descriptors() {
        return check;
    }
    Check {
        found: "refused".into(),
        ..check
    }
    .but(
        State::Missing,
        "use kernel 5.6 or later; in a container, --security-opt seccomp=unconfined",
    )
}

/// A program where the sandbox looks for it.
fn in_sandbox(name: &str) -> Option<PathBuf> {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

/// The first line a program prints about itself.
fn version(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin");
    first_line(&mut command)
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()?
        .trim()
        .to_owned();
    output.status.success().then_some(text)
}

fn python() -> Check {
    let check = present(
        "python3, pip",
        "PyPI packages are installed by the genuine pip of /usr",
        "",
    );
    let found = in_sandbox("python3")
        .and_then(|program| version(&program, &["-I", "-m", "pip", "--version"]));
    match found {
        Some(found) => Check { found, ..check },
        None => Check {
            found: "no python3 with pip in /usr/bin or /usr/local/bin".into(),
            ..check
        }
        .but(State::Missing, install("python3 python3-pip python3-venv")),
    }
}

fn node() -> Check {
    let check = present(
        "node, npm",
        "npm packages are installed by the genuine npm of /usr",
        "",
    );
    let ask = |name| in_sandbox(name).and_then(|program| version(&program, &["--version"]));
    match (ask("node"), ask("npm")) {
        (Some(node), Some(npm)) => Check {
            found: format!("node {node}, npm {npm}"),
            ..check
        },
        _ => Check {
            found: "no node with npm in /usr/bin or /usr/local/bin".into(),
            ..check
        }
        .but(State::Missing, install("nodejs npm")),
    }
}

fn java() -> Check {
    let check = present(
        "java, javac, mvn",
        "Java archives are loaded by a JVM; annotation processors run in its compiler, plugins in Maven",
        "",
    );
    let java = in_sandbox("java").and_then(|program| version(&program, &["--version"]));
    let compiler = in_sandbox("javac");
    match (java, compiler, in_sandbox("mvn")) {
        (Some(java), Some(_), Some(_)) => Check {
            found: java,
            ..check
        },
        (Some(_), Some(_), None) => Check {
            found: "no mvn in /usr/bin or /usr/local/bin: plugins for Maven cannot be run".into(),
            ..check
        }
        .but(State::Degraded, install("maven")),
        _ => Check {
            found: "no java with javac in /usr/bin: Java archives cannot be run".into(),
            ..check
        }
        .but(State::Degraded, install("default-jdk-headless maven")),
    }
}

/// Of use for one ecosystem only, so that it is never missing altogether.
fn ruby() -> Check {
    let check = present(
        "ruby, gem",
        "Ruby gems are installed by the genuine gem of /usr",
        "",
    );
    let ask = |name| in_sandbox(name).and_then(|program| version(&program, &["--version"]));
    match (ask("ruby"), ask("gem")) {
        (Some(ruby), Some(gem)) => Check {
            found: format!("{ruby}, gem {gem}"),
            ..check
        },
        _ => Check {
            found: "no ruby with gem; Ruby gems cannot be analysed".into(),
            ..check
        }
        .but(State::Degraded, install("ruby ruby-dev build-essential")),
    }
}

/// Of use for one ecosystem only.
fn php() -> Check {
    let check = present(
        "php, composer",
        "PHP packages are installed by the genuine Composer of /usr",
        "",
    );
    let lacking = |found: &str| {
        Check {
            found: format!("{found}; PHP packages cannot be analysed"),
            ..check.clone()
        }
        .but(
            State::Degraded,
            install("php-cli php-zip php-mbstring composer"),
        )
    };
    let Some(php) = in_sandbox("php") else {
        return lacking("no php");
    };
    let has_zip = ["-r", "echo extension_loaded('zip') ? 'yes' : 'no';"];
    match (version(&php, &["--version"]), in_sandbox("composer")) {
        (Some(_), Some(_)) if version(&php, &has_zip).as_deref() != Some("yes") => {
            lacking("php has no extension zip")
        }
        (Some(found), Some(_)) => Check { found, ..check },
        _ => lacking("no composer"),
    }
}

fn rust() -> Check {
    let check = present(
        "cargo, rustc, cc",
        "crates are built by the genuine cargo; only they need it",
        "",
    );
    // As the user's own: a toolchain may lie in the home folder, and is shown in the sandbox all the same.
    let ask = |name: &str| first_line(Command::new(name).arg("--version"));
    let linker = in_sandbox("cc").is_some();
    match (ask("cargo"), ask("rustc"), linker) {
        (Some(cargo), Some(rustc), true) => Check {
            found: format!("{cargo}; {rustc}"),
            ..check
        },
        (Some(_), Some(_), false) => Check {
            found: "no cc in /usr/bin: nothing can be linked".into(),
            ..check
        }
        .but(State::Degraded, install("gcc libc6-dev")),
        _ => Check {
            found: "no cargo or no rustc in the PATH".into(),
            ..check
        }
        .but(State::Degraded, install("rustup")),
    }
}

fn certificates() -> Check {
    let bundle = crate::image::HOST_BUNDLES
        .iter()
        .find(|path| Path::new(path).is_file());
    let check = present(
        "certificates",
        "the sandbox trusts what the host trusts, and the simulator",
        "",
    );
    match bundle {
        Some(path) => Check {
            found: (*path).into(),
            ..check
        },
        None => Check {
            found: "no bundle; only the simulator is trusted".into(),
            ..check
        }
        .but(State::Degraded, install("ca-certificates")),
    }
}

/// The command that installs packages of the common distributions' names.
fn install(packages: &str) -> String {
    let there = |path: &str| Path::new(path).exists();
    let tool = if there("/usr/bin/apt-get") {
        "apt-get install -y"
    } else if there("/usr/bin/dnf") {
        "dnf install -y"
    } else {
        "install with the package manager of this machine:"
    };
    format!("{tool} {packages}")
}
