//! The processes between `apa` and the sample. `apa` starts its own executable again (from a copy in memory, under
//! a neutral name) as the *outer* helper, which owns the network namespace and lives as long as the sandbox;
//! it makes the *inner* one, pid 1 of the sample's namespaces.

mod child;
mod init;
mod netlink;
mod nft;
mod outer;
mod rootfs;
mod sockets;
mod walk;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use apa_model::Hostile;
use nix::sys::socket::{SockType, getsockopt, sockopt};
use serde::{Deserialize, Serialize};

use crate::image::Node;
use crate::wire::Wire;

pub(crate) use sockets::NAME_SERVER;
pub(crate) use walk::{Entry, EntryKind};

/// `argv[0]` of the helpers: what an ordinary machine's process list begins with.
pub(crate) const HELPER_ARGV0: &str = "/sbin/init";

/// One line of an id map: `inside outside count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdRange {
    pub(crate) inside: u32,
    pub(crate) outside: u32,
    pub(crate) count: u32,
}

impl IdRange {
    pub(crate) fn line(&self) -> String {
        format!("{} {} {}\n", self.inside, self.outside, self.count)
    }
}

/// Everything the helpers need to know; sent to the outer one first, with the init's end of its channel.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Map of the inner user namespace; ids of the outer one on the right.
    pub(crate) inner: IdRange,
    /// The sample's ids inside.
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups may be set (not with a single-id map).
    pub(crate) groups: bool,
    /// `apa` runs without privileges: a command must stay dumpable until it is traced.
    pub(crate) unprivileged: bool,
    pub(crate) hostname: String,
    pub(crate) mac: [u8; 6],
    pub(crate) image: Vec<Node>,
    /// The system's folders are the sample's to change.
    pub(crate) system_writable: bool,
    pub(crate) disk_bytes: u64,
    pub(crate) inodes: u64,
    pub(crate) limits: ProcessLimits,
}

/// Bounds of each process.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ProcessLimits {
    pub(crate) processes: u64,
    pub(crate) file_bytes: u64,
    pub(crate) open_files: u64,
    /// Private writable memory; only where nothing else bounds memory.
    pub(crate) data_bytes: Option<u64>,
}

/// `apa` to the outer helper.
#[derive(Serialize, Deserialize)]
pub(crate) enum ToOuter {
    Setup(Box<Setup>),
    /// The id maps are written.
    Mapped,
    /// A transparent, marked UDP socket bound to this address is wanted.
    Bind(SocketAddr),
}

/// The outer helper to `apa`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromOuter {
    /// In its own user namespace; waits for the maps.
    Unshared,
    /// With the sockets: tcp4, udp4, gateway, then tcp6 and udp6 if `v6`.
    Network {
        v6: bool,
    },
    /// With the socket.
    Bound,
    Failed {
        errno: Option<i32>,
        what: String,
    },
}

/// `apa` to pid 1.
#[derive(Serialize, Deserialize)]
pub(crate) enum ToInit {
    /// Detached mounts for the image's `Bind` nodes at these places of the list, one descriptor each.
    Mounts(Vec<usize>),
    /// With the tracer's channel, stdout, stderr and (if `report`) the report pipe.
    Spawn(SpawnRequest),
    /// With the content.
    Write { path: String, mode: u32, what: Put },
    /// With a socket to answer on.
    Walk,
    /// End every process but pid 1.
    Stop,
}

/// What is put into the sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Put {
    /// A file, with its content as a descriptor.
    File,
    /// A symbolic link to this.
    Link(Hostile),
    Folder,
}

/// A command to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SpawnRequest {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) report: bool,
}

/// Pid 1 to `apa`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromInit {
    /// In its own namespaces, maps written; waits for [`ToInit::Mounts`].
    Born,
    /// With the root folder.
    Ready,
    Done,
    Failed {
        errno: Option<i32>,
        what: String,
    },
}

/// A failed step of a helper.
#[derive(Debug)]
pub(crate) struct Failure {
    errno: Option<i32>,
    what: String,
}

impl Failure {
    fn new(what: impl Into<String>) -> Self {
        Self {
            errno: None,
            what: what.into(),
        }
    }
}

/// Names the step that failed.
trait Step<T> {
    fn step(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| {
            let error = error.into();
            Failure {
                errno: error.raw_os_error(),
                what: format!("{what}: {error}"),
            }
        })
    }
}

/// Becomes a helper and never returns, if this process was started as one; otherwise returns at once.
///
/// Every program that uses this crate's default back end must call it first in `main`, before any thread is started
/// (so not inside an asynchronous `main`).
pub fn run_helper_role() {
    let mut arguments = std::env::args_os();
    if arguments.next().is_none_or(|name| name != HELPER_ARGV0) || arguments.next().is_some() {
        return;
    }
    let stdin = io::stdin();
    if !matches!(
        getsockopt(&stdin, sockopt::SockType),
        Ok(SockType::SeqPacket)
    ) {
        return;
    }
    let Ok(control) = stdin.as_fd().try_clone_to_owned() else {
        return;
    };
    outer::run(&Wire::new(control));
    std::process::exit(0);
}
