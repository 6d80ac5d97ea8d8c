//! Which ids of the host the sandbox's users are.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::helper::IdRange;

/// First of the host ids used when running as root: a range that no distribution hands out.
const HIGH: u32 = 0x7000_0000;
const RANGE: u32 = 65_536;

/// How ids are mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// As root: two ranges of unused ids.
    Root,
    /// Without privileges, with ranges lent by the system: own ids and the first of `/etc/subuid` and `/etc/subgid`.
    Lent {
        uid: u32,
        gid: u32,
        first_uid: u32,
        first_gid: u32,
        count: u32,
    },
    /// Without privileges: one id for everything.
    Single { uid: u32, gid: u32 },
}

impl Ids {
    /// The strongest that this process may use.
    pub(crate) fn detect() -> Self {
        let (uid, gid) = (
            nix::unistd::geteuid().as_raw(),
            nix::unistd::getegid().as_raw(),
        );
        if uid == 0 && maps_everything() {
            return Self::Root;
        }
        lent(uid, gid).unwrap_or(Self::Single { uid, gid })
    }

    /// Map of the inner user namespace.
    pub(crate) fn inner(&self, sample: u32) -> IdRange {
        match self {
            Self::Root => IdRange {
                inside: 0,
                outside: RANGE,
                count: RANGE,
            },
            Self::Lent { count, .. } => IdRange {
                inside: 0,
                outside: 1,
                count: *count,
            },
            Self::Single { .. } => IdRange {
                inside: sample,
                outside: 0,
                count: 1,
            },
        }
    }

    /// Whether several ids are mapped.
    pub(crate) fn many(&self) -> bool {
        !matches!(self, Self::Single { .. })
    }

    /// Writes the maps of the outer helper, which waits in its fresh user namespace.
    pub(crate) fn apply(&self, pid: u32) -> io::Result<()> {
        let proc = Path::new("/proc").join(pid.to_string());
        match *self {
            Self::Root => {
                let line = IdRange {
                    inside: 0,
                    outside: HIGH,
                    count: 2 * RANGE,
                }
                .line();
                std::fs::write(proc.join("uid_map"), &line)?;
                std::fs::write(proc.join("gid_map"), &line)
            }
            Self::Single { uid, gid } => {
                std::fs::write(proc.join("setgroups"), "deny")?;
                std::fs::write(proc.join("uid_map"), format!("0 {uid} 1\n"))?;
                std::fs::write(proc.join("gid_map"), format!("0 {gid} 1\n"))
            }
            Self::Lent {
                uid,
                gid,
                first_uid,
                first_gid,
                count,
            } => {
                map_with("newuidmap", pid, uid, first_uid, count)?;
                map_with("newgidmap", pid, gid, first_gid, count)
            }
        }
    }

    /// In words, for reports.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Root => "users: two nested ranges of unused host ids",
            Self::Lent { .. } => "users: a range of subordinate ids (newuidmap)",
            Self::Single { .. } => {
                "users: one host id for everything; the sample shares it with the sandbox's own processes (reduced separation: /etc/subuid and newuidmap would give it a range)"
            }
        }
    }
}

/// Root of a container with a partial map cannot use ids it does not have.
fn maps_everything() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| {
        map.split_whitespace()
            .nth(2)
            .and_then(|count| count.parse::<u64>().ok())
            .is_some_and(|n| n > u64::from(HIGH) + 2 * u64::from(RANGE))
    })
}

fn lent(uid: u32, gid: u32) -> Option<Ids> {
    let user = nix::unistd::User::from_uid(uid.into()).ok()??.name;
    let available = ["newuidmap", "newgidmap"]
        .iter()
        .all(|tool| tool_path(tool).is_some());
    let (first_uid, uids) = subordinate("/etc/subuid", &user, uid)?;
    let (first_gid, gids) = subordinate("/etc/subgid", &user, uid)?;
    let count = uids.min(gids);
    // The sample's user is 1000 or 1001 and `nobody` 65534.
    (available && count >= 65_535).then_some(Ids::Lent {
        uid,
        gid,
        first_uid,
        first_gid,
        count,
    })
}

fn subordinate(file: &str, user: &str, uid: u32) -> Option<(u32, u32)> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (name, range) = line.split_once(':')?;
        let (first, count) = range.split_once(':')?;
        let own = name == user || name == uid.to_string();
        own.then_some((first.trim().parse().ok()?, count.trim().parse().ok()?))
    })
}

/// Set-user-id programs are taken only from the system's own folders.
pub(crate) fn tool_path(name: &str) -> Option<std::path::PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

fn map_with(tool: &str, pid: u32, own: u32, first: u32, count: u32) -> io::Result<()> {
    let path =
        tool_path(tool).ok_or_else(|| io::Error::other(format!("{tool} is not installed")))?;
    let numbers = [pid, 0, own, 1, 1, first, count].map(|number| number.to_string());
    let output = Command::new(path)
        .args(numbers)
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{tool}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("subuid");
        std::fs::write(&file, "ann:100000:65536\n1007:231072:65536\n").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(subordinate(file, "ann", 1), Some((100_000, 65_536)));
        assert_eq!(subordinate(file, "bob", 1007), Some((231_072, 65_536)));
        assert_eq!(subordinate(file, "eve", 1), None);
    }
}
