//! Commands, files and limits of a living sandbox.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use apa_model::{FileContent, Hostile, Incomplete, IncompleteCode, Limits, PlannedFile};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::remains::Remains;
use super::start::{PATIENCE, init_failure, receive, receive_init};
use crate::cgroup::Cgroups;
use crate::error::Doing;
use crate::guest::Guest;
use crate::helper::{Entry, EntryKind, FromInit, Put, SpawnRequest, ToInit};
use crate::ids::Ids;
use crate::running::{Collector, Running, lines};
use crate::watch::Watch;
use crate::wire::{Received, Wire};
use crate::{Command, Network, Sandbox, SandboxError, SandboxFacts, Teardown, Written};

const START: &str = "start a command";
const LIST: &str = "list what was written";

/// A living sandbox.
pub(super) struct NamespaceSandbox {
    pub(super) guest: Guest,
    pub(super) limits: Limits,
    pub(super) image: String,
    pub(super) system_writable: bool,
    pub(super) ids: Ids,
    pub(super) cgroups: Arc<Cgroups>,
    pub(super) init: Wire,
    pub(super) network: Option<Network>,
    pub(super) output: Arc<AtomicBool>,
    pub(super) watch: Watch,
    pub(super) ready_ms: u64,
    pub(super) remains: Remains,
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
        self.done(step)
    }

    fn done(&self, step: &'static str) -> Result<(), SandboxError> {
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

    fn not_observed(&self) -> Vec<String> {
        let system = if self.system_writable {
            "what needs a real root: the sample's user owns the system's folders, but not every file, device or account"
        } else {
            "changes to system files: the sample is an ordinary user and /usr is read-only"
        };
        std::iter::once(system)
            .chain(NOT_OBSERVED)
            .map(str::to_owned)
            .collect()
    }

    /// An entry of the writable layer; what could not be read is noted instead.
    fn found(&self, message: Received<Entry>) -> Option<(Written, Option<File>)> {
        let Entry {
            path,
            kind,
            size,
            mode,
        } = message.body;
        let unread = |why: &str| {
            let detail = Hostile::new([why.as_bytes(), path.as_bytes()].concat());
            self.watch.add(IncompleteCode::DroppedLimit, detail);
            None
        };
        let link = match kind {
            EntryKind::File => None,
            EntryKind::Symlink(target) => Some(target),
            EntryKind::TooDeep => return unread("nested too deep to be read: "),
            EntryKind::Unreadable(_) | EntryKind::End => return unread("could not be read: "),
        };
        let file = message.fds.into_iter().next().map(File::from);
        Some((
            Written {
                path,
                link,
                size,
                mode,
            },
            file,
        ))
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

/// What this back end and image cannot show, for the report.
const NOT_OBSERVED: [&str; 3] = [
    "behaviour that waits for other versions of the interpreter than this machine's",
    "behaviour that starts later than the phases are watched",
    "contents sent over TLS with a pinned certificate",
];

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
                FileContent::Bytes(bytes) => Some(crate::wire::memory_file(bytes)),
                FileContent::Shared(bytes) => Some(crate::wire::memory_file(bytes)),
                FileContent::Host(path) => Some(File::open(path).map(OwnedFd::from)),
                FileContent::Link(_) | FileContent::Folder => None,
            };
            let content = content.transpose();
            let content = content.map_err(|error| failed(error.to_string()))?;
            let request = ToInit::Write {
                path: file.path.clone(),
                mode: file.mode,
                what: match &file.content {
                    FileContent::Link(target) => Put::Link(target.clone()),
                    FileContent::Folder => Put::Folder,
                    _ => Put::File,
                },
            };
            let fds: Vec<_> = content.iter().map(AsFd::as_fd).collect();
            self.ask("write a file", &request, &fds)
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
        let Some(program) = command.argv.first() else {
            return Err(SandboxError::Helper {
                step: START,
                reason: "no program is named".into(),
            });
        };
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
        self.ask(START, &ToInit::Spawn(request), &fds)?;
        drop((theirs, stdout));
        let exceeded = Arc::clone(&self.output);
        let output =
            Collector::start(output, command.output_bytes, exceeded).doing("read the output")?;
        // What the process says before it is traced is why it failed.
        let failed = |reason: String| SandboxError::Helper {
            step: START,
            reason: format!("{reason} {}", output.look().tail),
        };
        let pid = introduce(&control).map_err(|error| failed(error.to_string()))?;
        self.watch.traced_by(session);
        let traced = session
            .attach(pid, control.into(), command.owner.clone())
            .map_err(|source| match output.look().total {
                0 => SandboxError::Trace {
                    program: program.clone(),
                    source,
                },
                _ => failed(source.to_string()),
            })?;
        let report = report
            .map(|(read, _)| lines(read))
            .transpose()
            .doing("read the report")?;
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
        let (ours, theirs) = crate::wire::pair().doing(LIST)?;
        self.init
            .send(&ToInit::Walk, &[theirs.as_fd()])
            .doing(LIST)?;
        drop(theirs);
        let answers = Wire::new(ours);
        while let Some(message) = receive::<Entry>(&answers).doing(LIST)? {
            if message.body.kind == EntryKind::End {
                return self.done(LIST);
            }
            if let Some((written, file)) = self.found(message) {
                match file {
                    Some(file) => visit(written, &mut file.take(self.limits.disk_bytes)),
                    None => visit(written, &mut io::empty()),
                }
            }
        }
        self.done(LIST)?;
        Err(SandboxError::Helper {
            step: LIST,
            reason: "the list broke off".into(),
        })
    }

    fn info(&self) -> SandboxFacts {
        let mut enforced = self.cgroups.describe(&self.limits);
        enforced.push(format!(
            "disk: size of the memory file system, {} MiB, {} files",
            self.limits.disk_bytes >> 20,
            self.limits.inodes
        ));
        enforced.push(
            "network: a namespace without a way out; every address leads to the simulator".into(),
        );
        enforced.push("privileges: no capabilities, no new privileges, no user namespaces".into());
        enforced.push(self.ids.describe().into());
        SandboxFacts {
            isolation: "namespaces".into(),
            image: self.image.clone(),
            enforced,
            ready_ms: self.ready_ms,
            not_observed: self.not_observed(),
        }
    }

    fn destroy(mut self: Box<Self>) -> Teardown {
        self.remains.tear_down()
    }
}

/// Waits for the command's process to say hello (the kernel adds its pid), and lets it go on to be traced.
fn introduce(control: &Wire) -> io::Result<i32> {
    use nix::sys::socket::{MsgFlags, send};
    let mut ready = [PollFd::new(control.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ready, PollTimeout::from(PATIENCE.as_millis() as u16))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let Some((_, _, Some(pid @ 1..))) = crate::wire::receive_raw(control.as_fd(), &mut [0; 8])?
    else {
        return Err(io::Error::other("its process ended:"));
    };
    send(control.as_fd().as_raw_fd(), b"g", MsgFlags::MSG_NOSIGNAL)?;
    Ok(pid)
}
