//! Which ids of the host the sandbox's users are.

use std::io;
use std::path::Path;

use crate::helper::IdRange;

/// First of the host ids used when running as root: a range that no distribution hands out.
const HIGH: u32 = 0x7000_0000;
const RANGE: u32 = 65_536;

/// How ids are mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// As root: two ranges of unused ids.
    Root,
    /// Without privileges: one id for everything. A range lent by `newuidmap` would keep the sample and the
    /// sandbox's own processes apart, but also the tracer from the sample: its environment, descriptors and private
    /// files would belong to an id that an unprivileged supervisor may not read.
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
        Self::Single { uid, gid }
    }

    /// Map of the inner user namespace.
    pub(crate) fn inner(&self, sample: u32) -> IdRange {
        match self {
            Self::Root => IdRange {
                inside: 0,
                outside: RANGE,
                count: RANGE,
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
        }
    }

    /// In words, for reports.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Root => "users: two nested ranges of unused host ids",
            Self::Single { .. } => {
                "users: one host id for everything; the sample shares it with the sandbox's own processes (reduced separation: run as root to keep them apart)"
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
