//! Bounds on the whole process tree by control groups: version 2 where a group with the controllers can be made, else
//! version 1, else none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use apa_model::Limits;

const ROOT: &str = "/sys/fs/cgroup";
/// Files are kept in memory, so that the group is allowed both; but never more than this share of the machine.
const SHARE_OF_MEMORY: (u64, u64) = (3, 4);
const CPU_PERIOD_US: u64 = 100_000;

/// The groups of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    memory: Option<Group>,
    pids: Option<Group>,
    cpu: Option<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    folder: PathBuf,
    v2: bool,
}

/// How often bounds were hit so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    pub(crate) memory: u64,
    pub(crate) pids: u64,
}

impl Cgroups {
    /// Makes groups with these bounds, as far as the machine allows.
    pub(crate) fn create(name: &str, limits: &Limits) -> Self {
        let groups = Self::version_2(name).unwrap_or_else(|| Self::version_1(name));
        groups.bounded(limits)
    }

    /// One group for everything, in our own or the nearest group above it where the controllers are switched on.
    fn version_2(name: &str) -> Option<Self> {
        let mounted = [
            Path::new(ROOT).to_path_buf(),
            Path::new(ROOT).join("unified"),
        ];
        let root = mounted
            .into_iter()
            .find(|path| path.join("cgroup.controllers").is_file())?;
        let own = own_path("");
        for parent in Path::new(&own).ancestors() {
            let folder = root
                .join(parent.strip_prefix("/").unwrap_or(parent))
                .join(name);
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            if folder.join("memory.max").is_file() && folder.join("pids.max").is_file() {
                let group = Group { folder, v2: true };
                return Some(Self {
                    cpu: group
                        .folder
                        .join("cpu.max")
                        .is_file()
                        .then(|| group.clone()),
                    memory: Some(group.clone()),
                    pids: Some(group),
                });
            }
            // An empty group just made; a failure would show as a leftover.
            let _ = fs::remove_dir(&folder);
        }
        None
    }

    /// One group per controller, below our own.
    fn version_1(name: &str) -> Self {
        let make = |controller: &str| {
            let own = own_path(controller);
            let root = Path::new(ROOT).join(controller);
            let parent = root.join(own.trim_start_matches('/'));
            let parent = if parent.is_dir() { parent } else { root };
            let folder = parent.join(name);
            fs::create_dir(&folder)
                .ok()
                .map(|()| Group { folder, v2: false })
        };
        Self {
            memory: make("memory"),
            pids: make("pids"),
            cpu: make("cpu"),
        }
    }

    /// Sets the bounds; a group whose bound cannot be set is given up.
    fn bounded(mut self, limits: &Limits) -> Self {
        let memory = memory_bound(limits).to_string();
        let quota = u64::from(limits.cpu_percent) * CPU_PERIOD_US / 100;
        let set = |group: &Option<Group>, v1: &[(&str, String)], v2: &[(&str, String)]| {
            group.as_ref().is_some_and(|group| {
                let files = if group.v2 { v2 } else { v1 };
                files
                    .iter()
                    .all(|(file, value)| fs::write(group.folder.join(file), value).is_ok())
            })
        };
        if !set(
            &self.memory,
            &[("memory.limit_in_bytes", memory.clone())],
            &[("memory.max", memory)],
        ) {
            self.memory = give_up(self.memory.take());
        }
        if let Some(group) = &self.memory {
            // Without swap accounting these files are absent, and the bound holds for memory alone.
            let _ = fs::write(group.folder.join("memory.swap.max"), "0");
            let _ = fs::write(group.folder.join("memory.swappiness"), "0");
        }
        // Pid 1 counts too.
        let pids = [("pids.max", (limits.pids + 1).to_string())];
        if !set(&self.pids, &pids, &pids) {
            self.pids = give_up(self.pids.take());
        }
        let v1 = [
            ("cpu.cfs_period_us", CPU_PERIOD_US.to_string()),
            ("cpu.cfs_quota_us", quota.to_string()),
        ];
        if !set(
            &self.cpu,
            &v1,
            &[("cpu.max", format!("{quota} {CPU_PERIOD_US}"))],
        ) {
            self.cpu = give_up(self.cpu.take());
        }
        self
    }

    pub(crate) fn bounds_memory(&self) -> bool {
        self.memory.is_some()
    }

    pub(crate) fn bounds_pids(&self) -> bool {
        self.pids.is_some()
    }

    /// Moves a process, and with it its future children, into the groups.
    pub(crate) fn add(&self, pid: i32) -> io::Result<()> {
        for folder in self.folders() {
            fs::write(folder.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    pub(crate) fn hits(&self) -> Hits {
        let count = |group: &Option<Group>, v1: &str, v2: &str, key: &str| {
            group.as_ref().map_or(0, |group| {
                counter(&group.folder.join(if group.v2 { v2 } else { v1 }), key)
            })
        };
        Hits {
            memory: count(
                &self.memory,
                "memory.oom_control",
                "memory.events",
                "oom_kill",
            ),
            pids: count(&self.pids, "pids.events", "pids.events", "max"),
        }
    }

    /// The groups' folders, each once.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<_> = [&self.memory, &self.pids, &self.cpu]
            .into_iter()
            .flatten()
            .map(|group| group.folder.clone())
            .collect();
        folders.dedup();
        folders
    }

    /// How each bound is enforced, in words.
    pub(crate) fn describe(&self, limits: &Limits) -> Vec<String> {
        let version = |group: &Group| if group.v2 { "cgroup v2" } else { "cgroup v1" };
        let memory = match &self.memory {
            Some(group) => format!(
                "{}, {} MiB together with the files in the writable layer",
                version(group),
                memory_bound(limits) >> 20
            ),
            None => format!(
                "rlimit, {} MiB for each process (no cgroup; hitting it is not noticed)",
                limits.memory_bytes >> 20
            ),
        };
        let processes = self.pids.as_ref().map_or("rlimit (no cgroup)", version);
        let cpu = match &self.cpu {
            Some(group) => format!("{}, {} % of one core", version(group), limits.cpu_percent),
            None => "not limited (no cgroup)".into(),
        };
        vec![
            format!("memory: {memory}"),
            format!("processes: {processes}, {}", limits.pids),
            format!("cpu: {cpu}"),
        ]
    }

    /// Removes the groups once everything in them is gone.
    pub(crate) fn remove(&self) -> Vec<String> {
        self.folders()
            .iter()
            .filter_map(|folder| remove(folder).err())
            .collect()
    }
}

/// Bytes the whole tree may use, files in the writable layer included.
fn memory_bound(limits: &Limits) -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        text.lines()
            .next()?
            .split_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
    });
    let cap = machine.map_or(u64::MAX, |kib| {
        (kib << 10) / SHARE_OF_MEMORY.1 * SHARE_OF_MEMORY.0
    });
    limits
        .memory_bytes
        .saturating_add(limits.disk_bytes)
        .min(cap)
}

fn give_up(group: Option<Group>) -> Option<Group> {
    if let Some(group) = group.filter(|group| !group.v2) {
        // Just made and empty.
        let _ = fs::remove_dir(group.folder);
    }
    None
}

/// Path of this process's own group for a controller (empty: version 2).
fn own_path(controller: &str) -> String {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    text.lines()
        .find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            controllers
                .split(',')
                .any(|name| name == controller)
                .then(|| path.to_owned())
        })
        .unwrap_or_else(|| "/".into())
}

fn counter(file: &Path, key: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix(key)?
                .strip_prefix(' ')?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

/// Removes a group, waiting a little for its last processes to be gone.
pub(crate) fn remove(folder: &Path) -> Result<(), String> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let start = Instant::now();
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if start.elapsed() > PATIENCE => {
                return Err(format!(
                    "control group {} remains: {error}",
                    folder.display()
                ));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Kills what is left in a group.
pub(crate) fn kill(folder: &Path) {
    if fs::write(folder.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in text
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 1)
    {
        // A process that is gone by now needs no signal.
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
}
