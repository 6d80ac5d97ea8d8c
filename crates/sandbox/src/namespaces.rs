//! The back end `namespaces`: two nested user namespaces, everything else unshared, root on a bounded memory file system.

use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apa_model::{FileContent, Hostile, Incomplete, IncompleteCode, Limits, PlannedFile};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cgroup::Cgroups;
use crate::error::Doing;
use crate::guest::{Guest, invent};
use crate::helper::{
    Entry, EntryKind, FromInit, FromOuter, NAME_SERVER, ProcessLimits, Setup, SpawnRequest, ToInit,
    ToOuter,
};
use crate::ids::Ids;
use crate::kernel::{kill, open_pid};
use crate::launch::Helper;
use crate::leftovers::{Note, fresh_name};
use crate::running::{Collector, Running, lines};
use crate::watch::Watch;
use crate::wire::{Received, Wire};
use crate::{
    Backend, Command, Network, Reply, Sandbox, SandboxError, SandboxFacts, SandboxSpec, Teardown,
    Written, image, views,
};

/// How long a helper may take for one step before it is given up.
const PATIENCE: Duration = Duration::from_secs(20);
const OPEN_FILES: u64 = 16_384;

/// The default back end: isolation by namespaces, with this program as the helper.
pub fn default_backend() -> Arc<dyn Backend> {
    backend_with_helper("/proc/self/exe")
}

/// The default back end with another program as the helper; its `main` must call [`crate::run_helper_role`] first.
pub fn backend_with_helper(program: impl Into<std::path::PathBuf>) -> Arc<dyn Backend> {
    Arc::new(Namespaces {
        helper: Helper::new(program),
    })
}

struct Namespaces {
    helper: Helper,
}

impl Backend for Namespaces {
    fn name(&self) -> &'static str {
        "namespaces"
    }

    fn create(&self, spec: SandboxSpec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let start = Instant::now();
        let name = fresh_name();
        let cgroups = Arc::new(Cgroups::create(&name, &spec.limits));
        let mut remains = Remains::of(Arc::clone(&cgroups));
        remains.note =
            Note::write(&name, &cgroups.folders()).doing("note the sandbox for clean-up")?;
        let ids = Ids::detect();
        let (guest, machine) = invent(spec.persona);
        let image = image::host(&guest, &machine, spec.ca_pem.as_deref(), &spec.views);
        let setup = Setup {
            inner: ids.inner(guest.uid),
            uid: guest.uid,
            gid: guest.gid,
            groups: ids.many(),
            unprivileged: ids != Ids::Root,
            hostname: guest.hostname.clone(),
            mac: machine.mac,
            image,
            disk_bytes: spec.limits.disk_bytes,
            inodes: spec.limits.inodes,
            limits: process_limits(&spec.limits, &cgroups),
        };
        let parts = start_helpers(&self.helper, setup, &ids, &mut remains)?;
        let output = Arc::new(AtomicBool::new(false));
        let watch = Watch::start(
            Arc::clone(&cgroups),
            parts.root,
            spec.limits.clone(),
            Arc::clone(&output),
        )
        .doing("watch the limits")?;
        Ok(Box::new(NamespaceSandbox {
            guest,
            limits: spec.limits,
            ids,
            cgroups,
            init: parts.init,
            network: Some(parts.network),
            output,
            watch,
            ready_ms: start.elapsed().as_millis() as u64,
            remains,
        }))
    }
}

fn process_limits(limits: &Limits, cgroups: &Cgroups) -> ProcessLimits {
    ProcessLimits {
        // With a control group that one counts, and reports; this is only a second line.
        processes: if cgroups.bounds_pids() {
            limits.pids * 2
        } else {
            limits.pids
        },
        file_bytes: limits.disk_bytes,
        open_files: OPEN_FILES,
        // Runtimes reserve much address space that they never use.
        address_space: (!cgroups.bounds_memory()).then(|| limits.memory_bytes.saturating_mul(16)),
    }
}

/// What must be cleaned up, however far the making came.
struct Remains {
    outer: Option<Child>,
    init: Option<OwnedFd>,
    cgroups: Option<Arc<Cgroups>>,
    note: Note,
}

struct Parts {
    init: Wire,
    network: Network,
    root: OwnedFd,
}

fn start_helpers(
    helper: &Helper,
    mut setup: Setup,
    ids: &Ids,
    remains: &mut Remains,
) -> Result<Parts, SandboxError> {
    let (child, outer) = helper.start().doing("start the sandbox's helper")?;
    let pid = child.id();
    remains.outer = Some(child);
    let (ours, theirs) = crate::wire::pair().doing("make a socket pair")?;
    let init = Wire::with_sender_pids(ours).doing("make a socket pair")?;
    setup.hostname.truncate(63);
    let image = setup.image.clone();
    let failed = |error| SandboxError::Io {
        step: "talk to the sandbox's helper",
        source: error,
    };
    outer
        .send(&ToOuter::Setup(Box::new(setup)), &[theirs.as_fd()])
        .map_err(failed)?;
    drop(theirs);
    expect_outer(&outer, "make a user namespace", |body| {
        matches!(body, FromOuter::Unshared)
    })?;
    ids.apply(pid)
        .map_err(|error| unavailable(&format!("writing the id maps: {error}")))?;
    outer.send(&ToOuter::Mapped, &[]).map_err(failed)?;

    let born = receive_init(&init)?;
    let Some(Received {
        body: FromInit::Born,
        pid: Some(init_pid),
        ..
    }) = born
    else {
        // Pid 1 never came to be, and the outer helper knows why; or it says so itself.
        expect_outer(&outer, "make the namespaces", |_| true)?;
        return Err(born.map_or_else(
            || unavailable("pid 1 of the sandbox ended"),
            |born| init_failure("start pid 1", born.body),
        ));
    };
    remains.init = Some(open_pid(init_pid).doing("hold pid 1 of the sandbox")?);
    let views = if *ids == Ids::Root {
        views::make(&image, init_pid)
    } else {
        Vec::new()
    };
    let (places, views): (Vec<_>, Vec<_>) = views.into_iter().unzip();
    let fds: Vec<_> = views.iter().map(AsFd::as_fd).collect();
    init.send(&ToInit::Mounts(places), &fds).map_err(failed)?;

    let network = expect_outer(&outer, "set up the network", |body| {
        matches!(body, FromOuter::Network { .. })
    })?;
    let ready = receive_init(&init)?.ok_or_else(|| unavailable("pid 1 of the sandbox ended"))?;
    let (FromInit::Ready, Some(root)) = (&ready.body, ready.fds.into_iter().next()) else {
        return Err(init_failure("build the root file system", ready.body));
    };
    let network = take_sockets(network, outer).doing("take over the sandbox's sockets")?;
    Ok(Parts {
        init,
        network,
        root,
    })
}

/// The next message, but no longer than [`PATIENCE`].
fn receive<T: serde::de::DeserializeOwned>(wire: &Wire) -> io::Result<Option<Received<T>>> {
    let mut ready = [PollFd::new(wire.as_fd(), PollFlags::POLLIN)];
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .as_millis();
        match poll(
            &mut ready,
            PollTimeout::from(u16::try_from(left).unwrap_or(u16::MAX)),
        ) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return wire.receive(),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn receive_init(init: &Wire) -> Result<Option<Received<FromInit>>, SandboxError> {
    receive(init).doing("hear from the sandbox")
}

fn expect_outer(
    outer: &Wire,
    step: &'static str,
    wanted: impl Fn(&FromOuter) -> bool,
) -> Result<Received<FromOuter>, SandboxError> {
    match receive::<FromOuter>(outer).doing("hear from the sandbox's helper")? {
        Some(message) if wanted(&message.body) => Ok(message),
        Some(Received {
            body: FromOuter::Failed { what, .. },
            ..
        }) => Err(unavailable(&what)),
        Some(other) => Err(SandboxError::Helper {
            step,
            reason: format!("unexpected answer {:?}", other.body),
        }),
        None => Err(SandboxError::Helper {
            step,
            reason: "its helper ended".into(),
        }),
    }
}

fn unavailable(reason: &str) -> SandboxError {
    SandboxError::Unavailable {
        reason: reason.into(),
        fix: "run `apa doctor`, which names what is missing and the command that fixes it".into(),
    }
}

fn init_failure(step: &'static str, answer: FromInit) -> SandboxError {
    match answer {
        FromInit::Failed { what, .. } => SandboxError::Helper { step, reason: what },
        other => SandboxError::Helper {
            step,
            reason: format!("unexpected answer {other:?}"),
        },
    }
}

fn take_sockets(message: Received<FromOuter>, outer: Wire) -> io::Result<Network> {
    let mut fds = message.fds.into_iter();
    let mut next = || {
        fds.next()
            .ok_or_else(|| io::Error::other("a socket is missing"))
    };
    let v6 = matches!(message.body, FromOuter::Network { v6: true });
    Ok(Network {
        tcp: next()?.into(),
        udp: next()?.into(),
        gateway: next()?.into(),
        tcp6: if v6 {
            Some(TcpListener::from(next()?))
        } else {
            None
        },
        udp6: if v6 {
            Some(UdpSocket::from(next()?))
        } else {
            None
        },
        dns: (NAME_SERVER, 53).into(),
        reply: reply_by(outer),
    })
}

fn reply_by(outer: Wire) -> Reply {
    let outer = Mutex::new(outer);
    Arc::new(move |address: SocketAddr| {
        let outer = outer
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        outer.send(&ToOuter::Bind(address), &[])?;
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let answer = receive::<FromOuter>(&outer)?.ok_or_else(gone)?;
        match (answer.body, answer.fds.into_iter().next()) {
            (FromOuter::Bound, Some(socket)) => Ok(socket.into()),
            (
                FromOuter::Failed {
                    errno: Some(errno), ..
                },
                _,
            ) => Err(io::Error::from_raw_os_error(errno)),
            (other, _) => Err(io::Error::other(format!("{other:?}"))),
        }
    })
}

struct NamespaceSandbox {
    guest: Guest,
    limits: Limits,
    ids: Ids,
    cgroups: Arc<Cgroups>,
    init: Wire,
    network: Option<Network>,
    output: Arc<AtomicBool>,
    watch: Watch,
    ready_ms: u64,
    remains: Remains,
}

impl NamespaceSandbox {
    /// A request to pid 1 that it answers with `Done`.
    fn ask(
        &self,
        step: &'static str,
        request: &ToInit,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), SandboxError> {
        self.init.send(request, fds).doing(step)?;
        match receive_init(&self.init)? {
            Some(Received {
                body: FromInit::Done,
                ..
            }) => Ok(()),
            Some(other) => Err(init_failure(step, other.body)),
            None => Err(SandboxError::Helper {
                step,
                reason: "pid 1 is gone".into(),
            }),
        }
    }

    /// The guest's variables with the command's in their place.
    fn environment(&self, command: &Command) -> Vec<(String, String)> {
        let mut env = self.guest.env.clone();
        let working = [("PWD".to_owned(), command.cwd.clone())];
        for (name, value) in working.iter().chain(&command.env) {
            env.retain(|(existing, _)| existing != name);
            env.push((name.clone(), value.clone()));
        }
        env
    }
}

impl Sandbox for NamespaceSandbox {
    fn guest(&self) -> &Guest {
        &self.guest
    }

    fn take_network(&mut self) -> Option<Network> {
        self.network.take()
    }

    fn write_files(&mut self, files: &[PlannedFile]) -> Result<(), SandboxError> {
        for file in files {
            let failed = |reason: String| SandboxError::Write {
                path: file.path.clone(),
                reason,
            };
            let content = match &file.content {
                FileContent::Bytes(bytes) => crate::wire::memory_file(bytes),
                FileContent::Host(path) => File::open(path).map(OwnedFd::from),
            };
            let content = content.map_err(|error| failed(error.to_string()))?;
            let request = ToInit::Write {
                path: file.path.clone(),
                mode: file.mode,
            };
            self.ask("write a file", &request, &[content.as_fd()])
                .map_err(|error| match error {
                    SandboxError::Helper { reason, .. } => failed(reason),
                    other => other,
                })?;
        }
        Ok(())
    }

    fn spawn(
        &mut self,
        command: &Command,
        session: &apa_trace::Session,
    ) -> Result<Running, SandboxError> {
        let (ours, theirs) = crate::wire::pair().doing("make a socket pair")?;
        let control = Wire::with_sender_pids(ours).doing("make a socket pair")?;
        let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).doing("make a pipe");
        let (output, stdout) = pipe()?;
        let report = if command.report { Some(pipe()?) } else { None };
        let mut fds = vec![theirs.as_fd(), stdout.as_fd(), stdout.as_fd()];
        fds.extend(report.iter().map(|(_, write)| write.as_fd()));
        let request = SpawnRequest {
            argv: command.argv.clone(),
            env: self.environment(command),
            cwd: command.cwd.clone(),
            report: command.report,
        };
        self.ask("start a command", &ToInit::Spawn(request), &fds)?;
        drop((theirs, stdout));
        let pid = introduce(&control).doing("meet the command's process")?;
        self.cgroups
            .add(pid)
            .doing("bound the command by its control groups")?;
        nix::sys::socket::send(
            control.as_fd().as_raw_fd(),
            b"g",
            nix::sys::socket::MsgFlags::MSG_NOSIGNAL,
        )
        .doing("let the command go on")?;
        let traced = session
            .attach(pid, control.into(), command.owner.clone())
            .map_err(|source| SandboxError::Trace {
                program: command.argv.first().cloned().unwrap_or_default(),
                source,
            })?;
        let report = report
            .map(|(read, _)| lines(read))
            .transpose()
            .doing("read the report")?;
        let output = Collector::start(output, command.output_bytes, Arc::clone(&self.output))
            .doing("read the output")?;
        Ok(Running {
            traced,
            report,
            output,
        })
    }

    fn limits_hit(&mut self) -> Vec<Incomplete> {
        self.watch.take()
    }

    fn stop(&mut self) -> Result<(), SandboxError> {
        self.ask("end all processes", &ToInit::Stop, &[])
    }

    fn written(
        &mut self,
        visit: &mut dyn FnMut(Written, &mut dyn Read),
    ) -> Result<(), SandboxError> {
        const STEP: &str = "list what was written";
        let (ours, theirs) = crate::wire::pair().doing(STEP)?;
        self.ask(STEP, &ToInit::Walk, &[theirs.as_fd()])?;
        drop(theirs);
        let answers = Wire::new(ours);
        loop {
            let message = receive::<Entry>(&answers).doing(STEP)?;
            let Some(Received {
                body: entry, fds, ..
            }) = message
            else {
                return Err(SandboxError::Helper {
                    step: STEP,
                    reason: "the list broke off".into(),
                });
            };
            let Entry {
                path,
                kind,
                size,
                mode,
                ..
            } = entry;
            let missing = |what: &str| Hostile::new([what.as_bytes(), path.as_bytes()].concat());
            let link = match kind {
                EntryKind::End => return Ok(()),
                EntryKind::TooDeep => {
                    self.watch.add(
                        IncompleteCode::DroppedLimit,
                        missing("nested too deep to be read: "),
                    );
                    continue;
                }
                EntryKind::Unreadable(_) => {
                    self.watch
                        .add(IncompleteCode::DroppedLimit, missing("could not be read: "));
                    continue;
                }
                EntryKind::Symlink(target) => Some(target),
                EntryKind::File => None,
            };
            let written = Written {
                path,
                link,
                size,
                mode,
            };
            match fds.into_iter().next() {
                Some(file) => visit(written, &mut File::from(file).take(self.limits.disk_bytes)),
                None => visit(written, &mut io::empty()),
            }
        }
    }

    fn info(&self) -> SandboxFacts {
        let mut enforced = self.cgroups.describe(&self.limits);
        enforced.push(format!(
            "disk: size of the memory file system, {} MiB, {} files",
            self.limits.disk_bytes >> 20,
            self.limits.inodes
        ));
        enforced.push(self.ids.describe().into());
        SandboxFacts {
            isolation: "namespaces".into(),
            image: "host (reduced fidelity)".into(),
            enforced,
            ready_ms: self.ready_ms,
            not_observed: NOT_OBSERVED.map(str::to_owned).to_vec(),
        }
    }

    fn destroy(mut self: Box<Self>) -> Teardown {
        self.remains.tear_down()
    }
}

/// What this back end and image cannot show, for the report.
const NOT_OBSERVED: [&str; 4] = [
    "changes to system files: the sample is an ordinary user and /usr is read-only",
    "behaviour that waits for other versions of the interpreter than this machine's",
    "behaviour that starts later than the phases are watched",
    "contents sent over TLS with a pinned certificate",
];

/// Waits for the command's process to say hello; the kernel adds its pid.
fn introduce(control: &Wire) -> io::Result<i32> {
    let mut ready = [PollFd::new(control.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ready, PollTimeout::from(PATIENCE.as_millis() as u16))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    match crate::wire::receive_raw(control.as_fd(), &mut [0; 8])? {
        Some((_, _, Some(pid))) if pid > 0 => Ok(pid),
        _ => Err(io::Error::other("it ended before it could be bounded")),
    }
}

impl Remains {
    fn of(cgroups: Arc<Cgroups>) -> Self {
        Self {
            outer: None,
            init: None,
            cgroups: Some(cgroups),
            note: Note::default(),
        }
    }

    /// Kills pid 1 and so everything in its namespace, then removes what is left. Does nothing the second time.
    fn tear_down(&mut self) -> Teardown {
        let start = Instant::now();
        let mut problems = Vec::new();
        if let Some(init) = self.init.take() {
            // It has ended by itself if this fails.
            let _ = kill(&init);
            let mut ended = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ended, PollTimeout::from(10_000u16)) == Ok(0) {
                problems.push("processes of the sandbox did not end within 10 s".into());
            }
        }
        if let Some(mut outer) = self.outer.take() {
            // It has ended by itself if this fails.
            let _ = outer.kill();
            if let Err(error) = outer.wait() {
                problems.push(format!("the sandbox's helper was not collected: {error}"));
            }
        }
        if let Some(cgroups) = self.cgroups.take() {
            problems.extend(cgroups.remove());
            self.note.remove();
        }
        Teardown {
            wall_ms: start.elapsed().as_millis() as u64,
            problems,
        }
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        self.tear_down();
    }
}
