//! What a root file system is put together from. Of the host: a view of `/usr` with a synthetic everything else;
//! nothing of its `/etc`, homes, `/opt`, `/var` or `/run` but what is named here. Of an image in a folder: its system's
//! folders; homes, devices and what tells one machine from another are invented in either case.

use std::path::{Path, PathBuf};

use super::{Content, Image, Node, Who};
use crate::SandboxSpec;
use crate::guest::{Guest, Machine};

/// Where the certificates that the sample trusts are.
pub(crate) const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The simulator's authority alone: node parses what it is given at every start, and a whole bundle costs it 80 ms.
pub(crate) const AUTHORITY: &str = "/etc/ssl/certs/Local_Root_CA.pem";
pub(crate) const HOST_BUNDLES: [&str; 3] = [
    CA_BUNDLE,
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// Configuration of toolchains and the C library that holds nothing of the host's owner.
const ETC_COPIES: [&str; 17] = [
    "ld.so.cache",
    "ld.so.conf",
    "os-release",
    "debian_version",
    "lsb-release",
    "localtime",
    "services",
    "protocols",
    "mime.types",
    "magic",
    "shells",
    "login.defs",
    "bash.bashrc",
    "profile",
    "ssl/openssl.cnf",
    "inputrc",
    "rpc",
];
const ETC_VIEWS: [&str; 9] = [
    "alternatives",
    "python3",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "ld.so.conf.d",
];
/// Files of `/proc` that tell of the host or reach its kernel.
const PROC_HIDDEN: [&str; 13] = [
    "kcore",
    "kallsyms",
    "keys",
    "key-users",
    "timer_list",
    "sched_debug",
    "sysrq-trigger",
    "kmsg",
    "latency_stats",
    "acpi",
    "scsi",
    "config.gz",
    "modules",
];
const PROC_PROTECTED: [&str; 4] = ["sys", "bus", "fs", "irq"];

/// Lists the image for one guest.
pub(crate) fn list(guest: &Guest, machine: &Machine, spec: &SandboxSpec) -> Vec<Node> {
    let mut list = List::default();
    system(&mut list, spec);
    folders(&mut list, guest, spec.system_writable);
    etc(&mut list, machine, spec);
    devices(&mut list);
    sys(&mut list, machine);
    for (path, mode, text) in &machine.home {
        list.home_file(guest, path, *mode, text);
    }
    list.dir(&guest.project_dir, 0o755, Who::Sample);
    for (source, path) in spec
        .views
        .iter()
        .filter(|(_, place)| !super::local::holds(place))
    {
        list.bind(path, source);
    }
    proc(&mut list, machine);
    list.0
}

#[derive(Default)]
struct List(Vec<Node>);

impl List {
    fn dir(&mut self, path: &str, mode: u32, owner: Who) {
        self.0.push(Node::Dir {
            path: path.into(),
            mode,
            owner,
        });
    }

    fn text(&mut self, path: &str, mode: u32, text: impl Into<String>) {
        let content = Content::Text(text.into());
        self.0.push(Node::File {
            path: path.into(),
            mode,
            owner: Who::Root,
            content,
        });
    }

    fn copy(&mut self, path: &str, source: &Path, suffix: &str) {
        let content = Content::Copy(source.into(), suffix.into());
        self.0.push(Node::File {
            path: path.into(),
            mode: 0o644,
            owner: Who::Root,
            content,
        });
    }

    /// A folder at the top of an image, or the link that is there instead.
    fn folder_of(&mut self, image: &Image, name: &str, writable: bool, yielded: bool) {
        let source = image.root().join(name);
        let path = format!("/{name}");
        if let Ok(target) = std::fs::read_link(&source) {
            self.link(&path, &target.to_string_lossy());
        } else if writable {
            self.0.push(Node::Overlay {
                path,
                source,
                yielded,
            });
        } else {
            self.bind(&path, &source);
        }
    }

    fn link(&mut self, path: &str, target: &str) {
        self.0.push(Node::Link {
            path: path.into(),
            target: target.into(),
        });
    }

    fn bind(&mut self, path: &str, source: &Path) {
        self.0.push(Node::Bind {
            path: path.into(),
            source: source.into(),
        });
    }

    /// A file of the sample's user (a folder if the path ends in `/`), with the folders above it up to the home.
    fn home_file(&mut self, guest: &Guest, path: &str, mode: u32, text: &str) {
        let folders: Vec<_> = Path::new(path)
            .ancestors()
            .skip(usize::from(!path.ends_with('/')))
            .collect();
        for folder in folders
            .into_iter()
            .rev()
            .filter(|folder| folder.starts_with(&guest.home))
        {
            let private = folder.file_name().is_some_and(|name| {
                matches!(name.to_str(), Some(".ssh" | ".aws" | ".gnupg" | ".kube"))
            });
            let mode = if private { 0o700 } else { 0o755 };
            self.dir(&folder.to_string_lossy(), mode, Who::Sample);
        }
        if !path.ends_with('/') {
            let content = Content::Text(text.into());
            self.0.push(Node::File {
                path: path.into(),
                mode,
                owner: Who::Sample,
                content,
            });
        }
    }
}

/// Folders of a system that hold programs and libraries.
const PROGRAMS: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Folders of an image that hold settings and more programs.
const SETTINGS: [&str; 4] = ["etc", "opt", "srv", "var"];
/// Where a package's scripts put things on the host's own system.
const YIELDED: [&str; 7] = [
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/share",
    "/usr/libexec",
    "/usr/include",
];

fn system(list: &mut List, spec: &SandboxSpec) {
    let (image, writable) = (&spec.image, spec.system_writable);
    for name in PROGRAMS {
        list.folder_of(image, name, writable, writable && !image.is_host());
    }
    if image.is_host() {
        hide_the_operators(list, &spec.views);
        let yielded = YIELDED.iter().filter(|_| writable);
        for path in yielded {
            list.dir(path, 0o755, Who::Sample);
        }
        return;
    }
    for name in SETTINGS {
        // Settings of the invented machine are written over the image's.
        let over = writable || matches!(name, "etc" | "var");
        list.folder_of(image, name, over, writable);
    }
}

fn hide_the_operators(list: &mut List, views: &[(PathBuf, String)]) {
    list.0
        .extend(super::local::nodes(Path::new("/usr/local"), views));
    for path in own_files().into_iter().chain(start_up_files()) {
        list.0.push(Node::Hide { path });
    }
    if Path::new(NPM_GLOBAL).is_dir() {
        let path = NPM_GLOBAL.to_owned();
        list.0.push(Node::Hide { path: path.clone() });
        list.0.push(Node::Protect { path });
    }
}

/// Configuration of the host's npm: registries, proxies, tokens.
const NPM_GLOBAL: &str = "/usr/etc";
/// What distributions ship; anything else that every python runs at its start is the operator's.
const START_UP_FILES_OF_PACKAGES: [&str; 2] = ["distutils-precedence.pth", "-nspkg.pth"];

fn start_up_files() -> Vec<String> {
    let Ok(folders) = std::fs::read_dir("/usr/lib") else {
        return Vec::new();
    };
    folders
        .flatten()
        .filter(|folder| folder.file_name().to_string_lossy().starts_with("python3"))
        .filter_map(|folder| std::fs::read_dir(folder.path().join("dist-packages")).ok())
        .flat_map(|files| files.flatten())
        .map(|file| file.path().to_string_lossy().into_owned())
        .filter(|path| path.ends_with(".pth"))
        .filter(|path| {
            !START_UP_FILES_OF_PACKAGES
                .iter()
                .any(|end| path.ends_with(end))
        })
        .collect()
}

/// This program, where it is installed below `/usr`.
fn own_files() -> Vec<String> {
    let executable = std::env::current_exe().and_then(std::fs::canonicalize);
    executable
        .ok()
        .filter(|path| path.starts_with("/usr") && !path.starts_with("/usr/local"))
        .map(|path| path.to_string_lossy().into_owned())
        .into_iter()
        .collect()
}

fn folders(list: &mut List, guest: &Guest, writable: bool) {
    let system = if writable { Who::Sample } else { Who::Root };
    for (path, mode) in [
        ("/boot", 0o755),
        ("/home", 0o755),
        ("/media", 0o755),
        ("/mnt", 0o755),
        ("/root", 0o700),
        ("/run", 0o755),
        ("/run/lock", 0o1777),
        ("/tmp", 0o1777),
        ("/var/tmp", 0o1777),
        ("/var/mail", 0o755),
        ("/run/user", 0o755),
    ] {
        list.dir(path, mode, Who::Root);
    }
    for path in ["/opt", "/srv", "/var", "/var/lib", "/var/log", "/var/cache"] {
        list.dir(path, 0o755, system);
    }
    list.link("/var/run", "/run");
    list.link("/var/lock", "/run/lock");
    list.dir(&guest.home, 0o755, Who::Sample);
    list.dir(&format!("/run/user/{}", guest.uid), 0o700, Who::Sample);
}

fn etc(list: &mut List, machine: &Machine, spec: &SandboxSpec) {
    let system = if spec.system_writable {
        Who::Sample
    } else {
        Who::Root
    };
    let ca_pem = spec.ca_pem.as_deref();
    for path in [
        "/etc",
        "/etc/ssl",
        "/etc/ssl/certs",
        "/etc/profile.d",
        "/etc/skel",
    ] {
        list.dir(path, 0o755, system);
    }
    if spec.image.is_host() {
        settings_of_host(list);
    }
    for (name, text) in super::php::extensions(Path::new("/etc")) {
        let path = format!("/etc/{name}");
        let above: Vec<_> = Path::new(&path).ancestors().skip(1).collect();
        for folder in above.into_iter().rev().skip(2) {
            list.dir(&folder.to_string_lossy(), 0o755, Who::Root);
        }
        list.text(&path, 0o644, text);
    }
    for (name, mode, text) in &machine.etc {
        list.text(&format!("/etc/{name}"), *mode, text.as_str());
    }
    let host = HOST_BUNDLES
        .iter()
        .find(|path| Path::new(path).is_file())
        .unwrap_or(&CA_BUNDLE);
    list.copy(CA_BUNDLE, Path::new(host), ca_pem.unwrap_or_default());
    if let Some(pem) = ca_pem {
        list.text(AUTHORITY, 0o644, pem);
        if let Some(hash) = super::authority::subject_hash(pem) {
            list.link(&format!("/etc/ssl/certs/{hash}.0"), AUTHORITY);
        }
    }
    list.dir("/etc/ssl/certs/java", 0o755, Who::Root);
    list.0.extend(super::java::nodes(Path::new("/etc"), ca_pem));
    list.link("/etc/ssl/cert.pem", "certs/ca-certificates.crt");
    list.link("/etc/mtab", "../proc/self/mounts");
}

fn settings_of_host(list: &mut List) {
    for name in ETC_COPIES {
        let source = Path::new("/etc").join(name);
        if source.is_file() {
            list.copy(&format!("/etc/{name}"), &source, "");
        }
    }
    for name in ETC_VIEWS {
        let source = Path::new("/etc").join(name);
        if source.is_dir() {
            list.bind(&format!("/etc/{name}"), &source);
        }
    }
}

fn devices(list: &mut List) {
    list.dir("/dev", 0o755, Who::Root);
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let source = Path::new("/dev").join(name);
        list.0.push(Node::Device {
            path: format!("/dev/{name}"),
            source,
        });
    }
    list.dir("/dev/shm", 0o1777, Who::Root);
    list.dir("/dev/pts", 0o755, Who::Root);
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
        ("core", "/proc/kcore"),
    ] {
        list.link(&format!("/dev/{name}"), target);
    }
}

fn sys(list: &mut List, machine: &Machine) {
    for (path, text) in &machine.sys {
        let path = format!("/sys/{path}");
        let folders: Vec<_> = Path::new(&path).ancestors().skip(1).collect();
        for folder in folders.into_iter().rev().skip(1) {
            list.dir(&folder.to_string_lossy(), 0o755, Who::Root);
        }
        list.text(&path, 0o444, text.as_str());
    }
    list.dir("/sys/fs/cgroup", 0o755, Who::Root);
}

fn proc(list: &mut List, machine: &Machine) {
    list.0.push(Node::Proc {
        path: "/proc".into(),
    });
    for (name, text) in &machine.proc {
        list.0.push(Node::Replace {
            path: format!("/proc/{name}"),
            text: text.clone(),
        });
    }
    for name in PROC_HIDDEN {
        list.0.push(Node::Hide {
            path: format!("/proc/{name}"),
        });
    }
    for name in PROC_PROTECTED {
        list.0.push(Node::Protect {
            path: format!("/proc/{name}"),
        });
    }
}
