use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CanaryHit, Digest, Hostile, Phase};

/// Number of a process within one detonation. Never reused, unlike a pid.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct ProcessId(pub u32);

/// Whose act something is.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The package manager itself.
    Manager,
    /// The package under analysis.
    Package,
    /// Another package of its dependency closure, by name.
    Dependency(Hostile),
    /// Our own set-up inside the sandbox, before any package code ran.
    Harness,
}

impl Owner {
    /// Whether code of a package acted (the target or a dependency).
    pub fn is_package_code(&self) -> bool {
        matches!(self, Self::Package | Self::Dependency(_))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager => f.write_str("manager"),
            Self::Package => f.write_str("package"),
            Self::Dependency(name) => write!(f, "dependency {name}"),
            Self::Harness => f.write_str("harness"),
        }
    }
}

/// How the outcome of an event is known.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Seen after the fact (exec and exit stops, return value).
    Observed,
    /// Worked out by the supervisor when the call was made (the file was there and could be opened).
    Predicted,
    /// Answered by the supervisor itself (a refused call).
    Answered,
    /// Not known; the record rests on the call's arguments.
    Arguments,
    /// Told by a probe inside the sample's own process: the sample can make it up or leave it out.
    Claimed,
}

/// Whether an act succeeded.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Outcome {
    /// `Some(0)`: succeeded. `Some(n)`: failed with errno n. `None`: not known.
    pub errno: Option<i32>,
    /// How it is known.
    pub known: Known,
}

impl Outcome {
    /// Succeeded, seen after the fact.
    pub const OK: Self = Self {
        errno: Some(0),
        known: Known::Observed,
    };
    /// Not known.
    pub const UNKNOWN: Self = Self {
        errno: None,
        known: Known::Arguments,
    };

    /// Whether it is known to have failed.
    pub fn failed(self) -> bool {
        self.errno.is_some_and(|errno| errno != 0)
    }
}

/// How a file is opened.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reading only.
    Read,
    /// Writing only.
    Write,
    /// Both.
    ReadWrite,
    /// Neither: a path handle (`O_PATH`).
    Path,
}

impl Access {
    /// Whether it allows writing.
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// One recorded act. Ordered by `seq`, attributed, typed; text printed by a sample is never one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Order within the detonation, from 1, without gaps other than counted losses.
    pub seq: u64,
    /// Monotonic microseconds since the detonation started.
    pub at_us: u64,
    /// Where.
    pub phase: Phase,
    /// Who.
    pub process: ProcessId,
    /// Whose act.
    pub owner: Owner,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
    /// Whether it succeeded.
    pub outcome: Outcome,
}

/// What was done. Paths are absolute inside the sandbox, with `.` and `..` resolved; symbolic links are
/// resolved where the outcome is `Predicted` and the target exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum EventKind {
    /// A child process started.
    Fork {
        /// The child.
        child: ProcessId,
    },
    /// A program was loaded; known from the new memory image.
    Exec {
        /// What really runs, resolved; `memfd:NAME` or `PATH (deleted)` where no file stands for it.
        exe: Hostile,
        /// Arguments as the new image holds them.
        argv: Vec<Hostile>,
        /// Working folder.
        cwd: Hostile,
        /// SHA-256 of the program when it was written during this run or exists only in memory.
        sha256: Option<Digest>,
    },
    /// The process ended.
    Exit {
        /// How.
        exit: ProcessExit,
    },
    /// A file was opened.
    Open {
        /// Which.
        path: Hostile,
        /// For what.
        access: Access,
        /// `O_CREAT` was given.
        create: bool,
        /// `O_TRUNC` was given.
        truncate: bool,
    },
    /// Existence or attributes were asked for.
    Stat {
        /// Of which path.
        path: Hostile,
    },
    /// A symbolic link was read.
    Readlink {
        /// Which.
        path: Hostile,
    },
    /// A folder was made.
    Mkdir {
        /// Which.
        path: Hostile,
    },
    /// A file or folder was moved.
    Rename {
        /// From.
        from: Hostile,
        /// To.
        to: Hostile,
    },
    /// A link was made.
    Link {
        /// What it points at (as given for a symbolic link).
        target: Hostile,
        /// The new name.
        path: Hostile,
        /// Symbolic or hard.
        symbolic: bool,
    },
    /// A file or folder was removed.
    Unlink {
        /// Which.
        path: Hostile,
        /// A folder.
        directory: bool,
    },
    /// Permissions were changed.
    Chmod {
        /// Of which file.
        path: Hostile,
        /// New mode bits.
        mode: u32,
    },
    /// Ownership was changed.
    Chown {
        /// Of which file.
        path: Hostile,
    },
    /// A file was cut or grown.
    Truncate {
        /// Which.
        path: Hostile,
        /// New length, bytes.
        length: u64,
    },
    /// A special file was made.
    Mknod {
        /// Which.
        path: Hostile,
        /// Mode bits with the type.
        mode: u32,
    },
    /// The working folder or the root was changed.
    Chdir {
        /// To.
        path: Hostile,
        /// By chroot or pivot_root.
        root: bool,
    },
    /// A socket was made.
    Socket {
        /// `inet`, `inet6`, `unix`, `netlink`, `packet` or a number.
        domain: String,
        /// `stream`, `dgram`, `raw` or a number.
        kind: String,
    },
    /// A socket was given an address.
    Bind {
        /// Which.
        address: Hostile,
    },
    /// A socket waits for connections.
    Listen,
    /// A connection was asked for.
    Connect {
        /// `ip:port`, `[ip6]:port`, or `unix:PATH` (`unix:@NAME` if abstract).
        address: Hostile,
    },
    /// A connection was taken.
    Accept,
    /// A datagram was sent to an address given with it.
    Send {
        /// To.
        address: Hostile,
        /// Bytes, where known.
        length: u64,
    },
    /// A file in memory was made.
    Memfd {
        /// Its name.
        name: Hostile,
    },
    /// Descriptor `from` was copied onto a standard descriptor.
    Dup {
        /// The copied descriptor.
        from: i32,
        /// 0, 1 or 2.
        to: i32,
        /// What it is: `socket`, `pipe`, `file` or `other`.
        target: String,
    },
    /// Another process was looked into or changed (ptrace, process_vm_*, pidfd_getfd).
    Inspect {
        /// Name of the call.
        call: String,
        /// The other process, where known.
        target: Option<ProcessId>,
    },
    /// Memory was made executable.
    MakeExecutable {
        /// Name of the call.
        call: String,
        /// Writable at the same time.
        writable: bool,
    },
    /// A signal was sent to another process.
    Kill {
        /// Pid as the sample gave it (0, −1 and negative groups included).
        pid: i32,
        /// Signal number.
        signal: i32,
    },
    /// Privileges, namespaces, mounts or the kernel were touched (`setuid`, `unshare`, `mount`, `bpf`, …).
    Privileged {
        /// Name of the call.
        call: String,
        /// In words, where it says more.
        detail: Hostile,
    },
    /// A call the sandbox refuses (32-bit entry, io_uring, …).
    Refused {
        /// Name of the call.
        call: String,
    },
    /// A sleep was asked for.
    Sleep {
        /// How long, milliseconds.
        asked_ms: u64,
        /// How long it was made, milliseconds.
        slept_ms: u64,
    },
    /// Any other call; only when every call is recorded.
    Syscall {
        /// Name, or `syscall_NNN`.
        call: String,
        /// Raw arguments.
        args: [u64; 6],
        /// Raw return value.
        ret: Option<i64>,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessExit {
    /// Exit status.
    Status(i32),
    /// Signal number.
    Signal(i32),
}

/// A node of the process tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Unique in the detonation.
    pub id: ProcessId,
    /// Who started it; `None` for the first process of a command.
    pub parent: Option<ProcessId>,
    /// Pid inside the sandbox; may be reused.
    pub pid: i32,
    /// Program after the last exec.
    pub exe: Hostile,
    /// Arguments after the last exec.
    pub argv: Vec<Hostile>,
    /// Working folder at the last exec.
    pub cwd: Hostile,
    /// Names of the environment's variables at the last exec.
    pub env_names: Vec<Hostile>,
    /// Values of the variables the profile asks for.
    pub env: BTreeMap<String, Hostile>,
    /// Phase it started in.
    pub phase: Phase,
    /// Whose it is.
    pub owner: Owner,
    /// A compiler, linker or build tool started for its owner.
    pub toolchain: bool,
    /// The install hook it belongs to: `postinstall`, `setup.py`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hostile>,
    /// Monotonic microseconds since the detonation started.
    pub started_us: u64,
    /// The same, when it ended; `None` if it was killed at the end.
    pub ended_us: Option<u64>,
    /// How it ended.
    pub exit: Option<ProcessExit>,
}

/// TCP or UDP.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What was spoken, after unwrapping.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Name service.
    Dns,
    /// HTTP, also inside TLS.
    Http,
    /// Mail being sent.
    Smtp,
    /// Mail being fetched, POP3.
    Pop3,
    /// Mail being read, IMAP.
    Imap,
    /// File transfer.
    Ftp,
    /// Trivial file transfer.
    Tftp,
    /// Chat.
    Irc,
    /// Secure shell.
    Ssh,
    /// Remote terminal in the clear.
    Telnet,
    /// A proxy that carried nothing known.
    Socks,
    /// Directory.
    Ldap,
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgres,
    /// MongoDB.
    Mongodb,
    /// Redis.
    Redis,
    /// Messages of MQTT.
    Mqtt,
    /// A mining pool.
    Stratum,
    /// BitTorrent between peers.
    Bittorrent,
    /// Git's own protocol.
    Git,
    /// Network time.
    Ntp,
    /// Log lines.
    Syslog,
    /// QUIC; refused, so that clients fall back to TCP.
    Quic,
    /// One of the small services: echo, discard, daytime, time, quote, chargen, finger, ident.
    Simple,
    /// Nothing known.
    Raw,
}

/// One network conversation with the simulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// Number within the detonation, from 1.
    pub id: u32,
    /// Monotonic microseconds since the detonation started.
    pub started_us: u64,
    /// The same, when it ended.
    pub ended_us: Option<u64>,
    /// Where; set by the pipeline.
    pub phase: Phase,
    /// Who, where known.
    pub process: Option<ProcessId>,
    /// Whose; set by the pipeline.
    pub owner: Option<Owner>,
    /// TCP or UDP.
    pub transport: Transport,
    /// The sample's address.
    pub source: SocketAddr,
    /// The address the sample meant.
    pub destination: SocketAddr,
    /// The name the simulator had resolved to that address.
    pub resolved_name: Option<Hostile>,
    /// Unwrapped layers: `["tcp", "tls", "http"]`.
    pub layers: Vec<String>,
    /// TLS server name.
    pub sni: Option<Hostile>,
    /// The client refused our certificate or broke the handshake: its alert or error.
    pub tls_failure: Option<Hostile>,
    /// What was spoken.
    pub protocol: Protocol,
    /// Requests with their answers, in order.
    pub messages: Vec<FlowMessage>,
    /// Bytes from the sample.
    pub bytes_out: u64,
    /// Bytes to the sample.
    pub bytes_in: u64,
    /// SHA-256 of the decrypted bytes the sample sent, where kept.
    pub sent_blob: Option<Digest>,
    /// Baits seen in what the sample sent.
    pub canary_hits: Vec<CanaryHit>,
    /// Part of the bytes was not kept.
    pub truncated: bool,
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowMessage {
    /// In a line: `POST https://collect.test/x`, `A collect.test`, first bytes of raw data.
    pub summary: Hostile,
    /// Header lines of the request, in order, where there are any.
    pub headers: Vec<(Hostile, Hostile)>,
    /// SHA-256 of the request's body, where it has one.
    pub body: Option<Digest>,
    /// Bytes of the request's body.
    pub body_bytes: u64,
    /// What was answered, in a line: `200 text/html 312 bytes`, `203.0.113.7`.
    pub answer: Hostile,
}
