//! Isolation back ends, images, personas, limits, lifecycle.
//!
//! A [`Backend`] makes a [`Sandbox`]: a machine of its own for one detonation, with a network that leads nowhere but to
//! the sockets in [`Network`], files that are gone with it, and bounds on everything. The sample runs as an ordinary user
//! in a user namespace inside another one that owns the network, so that it can change neither.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cgroup;
pub mod doctor;
mod error;
mod guest;
mod helper;
mod ids;
mod image;
#[allow(unsafe_code)]
mod kernel;
mod launch;
mod leftovers;
mod namespaces;
mod running;
mod views;
mod watch;
mod wire;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;

use apa_model::{Hostile, Incomplete, Limits, Owner, Persona, PlannedFile};

pub use error::SandboxError;
pub use guest::Guest;
pub use helper::run_helper_role;
pub use image::Image;
pub use leftovers::clean_up_leftovers;
pub use namespaces::{backend_with_helper, default_backend};
pub use running::{Output, Running};

/// What sandbox to make.
#[derive(Clone, Debug, Default)]
pub struct SandboxSpec {
    /// The machine the sample is to believe it is on.
    pub persona: Persona,
    /// Its bounds.
    pub limits: Limits,
    /// A certificate authority that the sample's machine trusts, besides the host's.
    pub ca_pem: Option<String>,
    /// What its root file system is made from.
    pub image: Image,
    /// The sample may change the system's folders, as the scripts of a system's package do. What it changes lies in
    /// the sandbox's own memory.
    pub system_writable: bool,
    /// Read-only views of host files or folders, each with its absolute path inside.
    pub views: Vec<(PathBuf, String)>,
}

/// A way to isolate samples.
pub trait Backend: Send + Sync {
    /// Stable name, as in reports.
    fn name(&self) -> &'static str;

    /// Makes a sandbox that is ready for commands.
    ///
    /// # Errors
    /// When the machine cannot isolate; nothing is left behind then.
    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError>;
}

/// One isolated machine. Dropping it destroys it.
pub trait Sandbox: Send {
    /// The machine it pretends to be.
    fn guest(&self) -> &Guest;

    /// The sockets that all its traffic is steered to; once.
    fn take_network(&mut self) -> Option<Network>;

    /// Puts files into it, with the folders above them, owned by the sample's user.
    ///
    /// # Errors
    /// When a path is not absolute and plain, leads through a link, or the writable layer is full.
    fn write_files(&mut self, files: &[PlannedFile]) -> Result<(), SandboxError>;

    /// Starts a command under the tracer. A program that cannot be started ends with status 127 and a line of output.
    ///
    /// # Errors
    /// When the sandbox is gone or the tracer cannot take over.
    fn spawn(
        &mut self,
        command: &Command,
        session: &apa_trace::Session,
    ) -> Result<Running, SandboxError>;

    /// Bounds that were hit since the last call.
    fn limits_hit(&mut self) -> Vec<Incomplete>;

    /// Ends every process of the sample at once. Files stay, and so does the sandbox.
    ///
    /// # Errors
    /// When the sandbox is gone, or a process could not be ended.
    fn stop(&mut self) -> Result<(), SandboxError>;

    /// Shows every regular file (with its bytes, cut at the size of the writable layer) and symbolic link that is new or
    /// changed since it was put there by us.
    ///
    /// # Errors
    /// When the sandbox is gone. What could not be read is reported by the next [`Sandbox::limits_hit`].
    fn written(
        &mut self,
        visit: &mut dyn FnMut(Written, &mut dyn io::Read),
    ) -> Result<(), SandboxError>;

    /// How it isolates.
    fn info(&self) -> SandboxFacts;

    /// Kills everything in it at once and removes every trace of it.
    fn destroy(self: Box<Self>) -> Teardown;
}

/// The sandbox's traffic. The original destination of a connection is its local address, that of a datagram the
/// `IP_ORIGDSTADDR` control message (already asked for).
pub struct Network {
    /// Every TCP connection over IPv4.
    pub tcp: TcpListener,
    /// Every TCP connection over IPv6, where the kernel has it.
    pub tcp6: Option<TcpListener>,
    /// Every datagram over IPv4.
    pub udp: UdpSocket,
    /// Every datagram over IPv6, where the kernel has it.
    pub udp6: Option<UdpSocket>,
    /// On the sandbox's loopback, for the registry gateway.
    pub gateway: TcpListener,
    /// The name server that the sandbox is told to ask.
    pub dns: SocketAddr,
    /// A socket that sends from that foreign address. Datagrams sent from anything else would come back.
    pub reply: Reply,
}

/// Binds a UDP socket to any address of the sandbox's world.
pub type Reply = Arc<dyn Fn(SocketAddr) -> io::Result<UdpSocket> + Send + Sync>;

/// A command to run.
#[derive(Clone, Debug)]
pub struct Command {
    /// Program (looked up in `PATH`) and arguments.
    pub argv: Vec<String>,
    /// Variables added to the guest's, or put in their place.
    pub env: Vec<(String, String)>,
    /// Working folder.
    pub cwd: String,
    /// Whose act it is.
    pub owner: Owner,
    /// Descriptor 3 is a pipe whose lines are handed out.
    pub report: bool,
    /// Bytes of output kept (the last ones).
    pub output_bytes: u64,
}

/// Something found in the writable layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Absolute path inside.
    pub path: Hostile,
    /// Target, if it is a symbolic link.
    pub link: Option<Hostile>,
    /// Bytes, as the file claims (it may have holes).
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// How a sandbox isolates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxFacts {
    /// Back end.
    pub isolation: String,
    /// Root file system.
    pub image: String,
    /// How each bound is enforced, in words.
    pub enforced: Vec<String>,
    /// Milliseconds it took to make.
    pub ready_ms: u64,
    /// What cannot be seen or believed in such a sandbox, in words.
    pub not_observed: Vec<String>,
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Teardown {
    /// Milliseconds it took.
    pub wall_ms: u64,
    /// What could not be removed, in words.
    pub problems: Vec<String>,
}
