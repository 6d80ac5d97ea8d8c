//! The public face: a session over one detonation, and the commands traced in it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use apa_model::{
    BlobSink, Digest, Event, Hostile, Incomplete, IncompleteCode, Owner, OwnerRule, Phase, Process,
    ProcessExit, ProcessId, Transport,
};

use crate::attribute;
use crate::procfs;
use crate::shared::{Shared, lock};
use crate::supervisor::Supervisor;
use crate::sys;
use crate::tracer::Tracer;
use crate::tree::CommandId;

/// How long a child may take for each step of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// How long the end of a killed tree is waited for.
const KILLING: Duration = Duration::from_secs(10);

/// What to record and how much of it.
#[derive(Clone)]
pub struct TraceConfig {
    /// Record every call with its arguments and return value, by ptrace stops; several times slower.
    pub all_syscalls: bool,
    /// Variables whose values are kept with each process.
    pub env_values: Vec<String>,
    /// Whose a process is, decided at each exec: the first rule that matches, else the owner is inherited.
    pub owners: Vec<OwnerRule>,
    /// Patterns (`*`: any bytes) of paths whose `stat`, `readlink` and `access` are events (others are only counted)
    /// and whose opens are kept even under a flood.
    pub protected: Vec<String>,
    /// Events kept. Past it reads are only counted; changes go on to one and a half times, and security events to
    /// twice the number.
    pub max_events: u64,
    /// Bytes of vanishing and executed files kept in all.
    pub max_captured_bytes: u64,
    /// Bytes of one such file.
    pub max_captured_file_bytes: u64,
    /// Only files below these absolute folders of the sandbox are kept.
    pub capture_under: Vec<String>,
    /// Where they are kept.
    pub blobs: Arc<dyn BlobSink>,
    /// Zero of [`Event::at_us`].
    pub started: Instant,
}

/// Why a child could not be traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The child did not follow the handshake.
    #[error("process {pid} did not get ready to be traced; its set-up failed before the filter")]
    Handshake {
        /// Host pid.
        pid: i32,
    },
    /// The kernel refused a step.
    #[error(
        "cannot {step} of process {pid}; check that ptrace and seccomp notification are allowed here"
    )]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// Host pid.
        pid: i32,
        /// Why.
        source: io::Error,
    },
}

/// Records what the commands of one detonation do. Cheap to clone; all clones are the same session.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    commands: AtomicU32,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events kept.
    pub events: u64,
    /// Acts that could not be recorded.
    pub lost: u64,
    /// Processes so far.
    pub processes: usize,
}

/// Everything a session recorded.
#[derive(Debug)]
pub struct Trace {
    /// In order.
    pub events: Vec<Event>,
    /// In the order they started.
    pub processes: Vec<Process>,
    /// Acts that could not be recorded.
    pub lost: u64,
    /// Acts that were only counted, by kind: uninteresting ones, and those beyond the limits.
    pub counted_only: BTreeMap<String, u64>,
    /// How often each process made each recorded call in each phase (process 0: those beyond the limit).
    pub syscalls: Vec<(Phase, ProcessId, String, u64)>,
    /// Files kept before they vanished, and programs that were run.
    pub captured: Vec<Captured>,
    /// Limits that were hit.
    pub incomplete: Vec<Incomplete>,
}

/// A file kept before it vanished, or because it was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Absolute path in the sandbox at that time.
    pub path: Hostile,
    /// SHA-256; `None` when it was too large to keep.
    pub sha256: Option<Digest>,
    /// Bytes.
    pub size: u64,
    /// `deleted`, `renamed`, `overwritten` or `executed`.
    pub when: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// Who did it.
    pub process: ProcessId,
    /// In which phase.
    pub phase: Phase,
}

impl Session {
    /// Starts recording. The phase is `install` until it is set.
    pub fn start(config: TraceConfig) -> Session {
        Session {
            inner: Arc::new(Inner {
                shared: Arc::new(Shared::new(config)),
                threads: Mutex::default(),
                commands: AtomicU32::new(0),
            }),
        }
    }

    /// Events from now on belong to this phase.
    pub fn set_phase(&self, phase: Phase) {
        self.inner.shared.set_phase(phase);
    }

    /// Programs loaded from now on are judged by these rules.
    pub fn set_owners(&self, owners: Vec<OwnerRule>) {
        self.inner.shared.set_owner_rules(owners);
    }

    /// Takes charge of a child that waits in [`crate::child::arm`]. `pid` is its pid on the host, `control` the
    /// supervisor's end of the seqpacket pair. The child goes on to `execve` when this returns, or finds the
    /// pair closed. If it is a child of this process, the tracer reaps it.
    ///
    /// # Errors
    /// When the child does not answer or the kernel refuses to trace it; the child is killed then.
    pub fn attach(&self, pid: i32, control: OwnedFd, owner: Owner) -> Result<Traced, TraceError> {
        let result = self.try_attach(pid, &control, owner);
        if result.is_err() {
            sys::kill(pid, libc::SIGKILL);
        }
        result
    }

    fn try_attach(&self, pid: i32, control: &OwnedFd, owner: Owner) -> Result<Traced, TraceError> {
        let kernel = |step| move |source| TraceError::Kernel { step, pid, source };
        let pidfd = sys::pidfd_open(pid).map_err(kernel("get hold"))?;
        let number =
            sys::receive_number(control, HANDSHAKE).ok_or(TraceError::Handshake { pid })?;
        let shared = &self.inner.shared;
        let command = CommandId(self.inner.commands.fetch_add(1, Ordering::Relaxed));
        let root = self.register(pid, command, owner)?;
        let traced = Traced {
            shared: Arc::clone(shared),
            command,
            root,
        };
        let started = self
            .start_tracer(pid, command, root)
            .and_then(|()| sys::send_word(control))
            .map_err(kernel("follow the children"));
        let listener = started.and_then(|()| {
            sys::fetch_listener(&pidfd, number, HANDSHAKE).map_err(kernel("take the filter"))
        });
        match listener {
            Ok(listener) => {
                let supervisor = Supervisor::new(Arc::clone(shared), listener);
                self.spawn("supervise", move || supervisor.run())
                    .map_err(kernel("serve the filter"))?;
                Ok(traced)
            }
            Err(error) => {
                let gone = ProcessExit::Signal(libc::SIGKILL);
                shared.tree().process_ended(root, gone, shared.now_us());
                Err(error)
            }
        }
    }

    fn register(
        &self,
        pid: i32,
        command: CommandId,
        owner: Owner,
    ) -> Result<ProcessId, TraceError> {
        let shared = &self.inner.shared;
        let status = procfs::status(pid).ok_or(TraceError::Handshake { pid })?;
        let image = procfs::load(pid, &shared.env_values).image;
        let (phase, at) = (shared.phase(), shared.now_us());
        Ok(shared
            .tree()
            .add_root(&status, command, image, owner, phase, at))
    }

    fn start_tracer(&self, pid: i32, command: CommandId, root: ProcessId) -> io::Result<()> {
        let (seized, result) = mpsc::channel();
        let tracer = Tracer::new(Arc::clone(&self.inner.shared), command, root);
        self.spawn("follow", move || tracer.run(pid, &seized))?;
        result
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the tracer's thread ended")))
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(work)?;
        lock(&self.inner.threads).push(thread);
        Ok(())
    }

    /// The process behind a connection with these ends; `None` when nobody fits.
    pub fn attribute(
        &self,
        transport: Transport,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<ProcessId> {
        attribute::attribute(&self.inner.shared, transport, source, destination)
    }

    /// Live processes of all commands.
    pub fn live_processes(&self) -> usize {
        self.inner.shared.tree().live().count()
    }

    /// A process as it is now.
    pub fn process(&self, id: ProcessId) -> Option<Process> {
        self.inner.shared.tree().process(id)
    }

    /// How far the session is.
    pub fn snapshot(&self) -> Progress {
        let shared = &self.inner.shared;
        let processes = shared.tree().count();
        let log = shared.log();
        Progress {
            events: log.kept(),
            lost: log.lost(),
            processes,
        }
    }

    /// Ends the session and returns what it recorded. Meant for after the sandbox is dead; processes that still
    /// live are killed.
    pub fn finish(self) -> Trace {
        let shared = &self.inner.shared;
        kill_all(shared, None);
        self.join_threads();
        let attempts = shared.tree().take_attempts();
        for attempt in attempts {
            shared.record_failed(attempt, None);
        }
        let captured = shared.keeper.finish();
        let (processes, unrecorded, trimmed) = {
            let tree = shared.tree();
            let (processes, trimmed) = tree.processes();
            (processes, tree.unrecorded(), trimmed)
        };
        if trimmed {
            shared.problem(
                IncompleteCode::EventLimit,
                "too many long argument lists and environments; those of some processes were cut",
            );
        }
        if unrecorded > 0 {
            shared.problem(
                IncompleteCode::EventLimit,
                "more processes than are recorded",
            );
            shared.log().count_many("process", unrecorded);
        }
        let parts = std::mem::take(&mut *shared.log()).into_parts();
        Trace {
            events: parts.events,
            processes,
            lost: parts.lost,
            counted_only: parts.counted,
            syscalls: parts.calls,
            captured,
            incomplete: parts.problems,
        }
    }
}

impl Session {
    /// Waits for the threads of all commands. One whose processes cannot be killed is left alone.
    fn join_threads(&self) {
        let deadline = Instant::now() + KILLING;
        for thread in lock(&self.inner.threads).drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_micros(200));
            }
            if !thread.is_finished() || thread.join().is_err() {
                self.inner.shared.log().lose();
            }
        }
    }
}

/// One command: a first process and all its descendants.
pub struct Traced {
    shared: Arc<Shared>,
    command: CommandId,
    root: ProcessId,
}

impl Traced {
    /// The first process.
    pub fn root(&self) -> ProcessId {
        self.root
    }

    /// Waits for the end of the first process; others may live on. `None`: it still lives at `until`.
    pub fn wait(&self, until: Instant) -> Option<ProcessExit> {
        let mut tree = self.shared.tree();
        loop {
            if let Some(exit) = tree.exit_of(self.root) {
                return Some(exit);
            }
            let left = until.checked_duration_since(Instant::now())?;
            tree = self
                .shared
                .ended
                .wait_timeout(tree, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(tree, _)| tree);
        }
    }

    /// Kills every live process of the command, whoever its parent is now, until none is left (at most ten
    /// seconds; what resists then is reported by [`Traced::live`]).
    pub fn kill_tree(&self) {
        kill_all(&self.shared, Some(self.command));
    }

    /// Live processes of the command.
    pub fn live(&self) -> usize {
        self.shared.tree().live_of(self.command).len()
    }
}

fn kill_all(shared: &Shared, command: Option<CommandId>) {
    let deadline = Instant::now() + KILLING;
    let mut tree = shared.tree();
    while Instant::now() < deadline {
        let pids = match command {
            Some(command) => tree.live_of(command),
            None => tree.live().filter_map(|id| tree.host_pid(id)).collect(),
        };
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            sys::kill(pid, libc::SIGKILL);
        }
        // New ones may have been born meanwhile: look again soon.
        tree = shared
            .ended
            .wait_timeout(tree, Duration::from_millis(5))
            .map_or_else(|poisoned| poisoned.into_inner().0, |(tree, _)| tree);
    }
}
