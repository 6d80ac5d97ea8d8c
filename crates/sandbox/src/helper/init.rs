//! Pid 1 of the sample's namespaces: root of the inner user namespace, another user than the sample, so that
//! neither its memory nor its files under /proc can be read and no signal of the sample reaches it.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, setgroups, setresgid, setresuid};

use super::walk::{Baseline, Layers, Walker};
use super::{Failure, FromInit, Put, Setup, SpawnRequest, Step, ToInit, child, rootfs, walk};
use crate::kernel::{close_all_but, exit_now, fork_into, fresh_keyring};
use crate::wire::{Received, Wire};

const NO_NAMESPACES: i32 = 0;
/// What an ordinary machine's first process is called.
const NAME: &std::ffi::CStr = c"systemd";

/// Builds the root file system and serves until `apa` or the outer helper is gone.
pub(super) fn run(setup: &Setup, control: Wire, waiting: Wire) -> ! {
    let failed = |Failure { errno, what }| {
        let _ = control.send(&FromInit::Failed { errno, what }, &[]);
    };
    match begin(setup, &control, waiting) {
        Ok(init) => {
            if let Err(failure) = init.serve() {
                failed(failure);
            }
        }
        Err(failure) => failed(failure),
    }
    // Everything in the pid namespace ends with its first process.
    exit_now(0)
}

struct Init<'a> {
    setup: &'a Setup,
    control: &'a Wire,
    signals: SignalFd,
    baseline: Baseline,
    layers: Layers,
}

fn begin<'a>(setup: &'a Setup, control: &'a Wire, waiting: Wire) -> Result<Init<'a>, Failure> {
    let gone = || Failure::new("the analysis ended");
    waiting
        .receive::<()>()
        .step("wait for the id maps")?
        .ok_or_else(gone)?;
    drop(waiting);
    if setup.groups {
        setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).step("become group 0")?;
        setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).step("become user 0")?;
        setgroups(&[]).step("drop groups")?;
    }
    prctl::set_pdeathsig(Signal::SIGKILL).step("tie to the outer helper")?;
    prctl::set_dumpable(false).step("protect pid 1")?;
    prctl::set_name(NAME).step("name pid 1")?;
    fresh_keyring();
    detach_standard_files()?;
    close_all_but(3, &[control.as_fd().as_raw_fd() as u32]);
    nix::unistd::sethostname(&setup.hostname).step("set the host name")?;
    control.send(&FromInit::Born, &[]).step("report")?;
    let message = control
        .receive::<ToInit>()
        .step("receive the mounts")?
        .ok_or_else(gone)?;
    let ToInit::Mounts(places) = message.body else {
        return Err(Failure::new("unexpected request"));
    };
    let layers = rootfs::enter(
        setup,
        HashMap::from_iter(places.into_iter().zip(message.fds)),
    )?;
    forbid_user_namespaces()?;
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block().step("block SIGCHLD")?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .step("make a signal descriptor")?;
    let baseline = Walker::new(Baseline::default(), &layers)
        .baseline()
        .step("list the image")?;
    let root = root_folder()?;
    control
        .send(&FromInit::Ready, &[root.as_fd()])
        .step("report")?;
    Ok(Init {
        setup,
        control,
        signals,
        baseline,
        layers,
    })
}

/// Standard input is the outer helper's channel; it must not live on here.
fn detach_standard_files() -> Result<(), Failure> {
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .step("open /dev/null")?;
    nix::unistd::dup2_stdin(&null).step("detach standard input")?;
    nix::unistd::dup2_stdout(&null).step("detach standard output")?;
    nix::unistd::dup2_stderr(&null).step("detach standard error")
}

fn root_folder() -> Result<OwnedFd, Failure> {
    let root = File::options()
        .read(true)
        .custom_flags(libc::O_DIRECTORY)
        .open("/");
    Ok(root.step("open the root folder")?.into())
}

/// A user namespace would give the sample capabilities that reach much kernel code.
fn forbid_user_namespaces() -> Result<(), Failure> {
    // /proc/sys is read-only by now; a detached instance is not.
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    mount(
        Some("proc"),
        "/run",
        Some("proc"),
        MsFlags::empty(),
        None::<&str>,
    )
    .step("mount a second /proc")?;
    let written = std::fs::write("/run/sys/user/max_user_namespaces", "0");
    umount2("/run", MntFlags::MNT_DETACH).step("unmount the second /proc")?;
    written.step("forbid user namespaces")
}

impl Init<'_> {
    fn serve(mut self) -> Result<(), Failure> {
        loop {
            let mut ready = [
                PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.step("wait for requests")?,
            };
            let [asked, died] = ready.map(|fd| fd.any().unwrap_or(true));
            if died {
                while let Ok(Some(_)) = self.signals.read_signal() {}
                reap();
            }
            if asked {
                let Some(message) = self.control.receive().step("receive a request")? else {
                    return Ok(());
                };
                let answer = match self.handle(message) {
                    Ok(()) => FromInit::Done,
                    Err(Failure { errno, what }) => FromInit::Failed { errno, what },
                };
                self.control.send(&answer, &[]).step("answer")?;
            }
        }
    }

    fn handle(&mut self, message: Received<ToInit>) -> Result<(), Failure> {
        let mut fds = message.fds.into_iter();
        let mut next = || fds.next().ok_or_else(|| Failure::new("descriptor missing"));
        match message.body {
            ToInit::Spawn(request) => {
                let files = child::Files {
                    tracer: next()?,
                    stdout: next()?,
                    stderr: next()?,
                    report: if request.report { Some(next()?) } else { None },
                };
                self.spawn(&request, files)
            }
            ToInit::Write { path, mode, what } => {
                let owner = self
                    .setup
                    .groups
                    .then_some((self.setup.uid, self.setup.gid));
                let content = match what {
                    Put::File => walk::Content::File(next()?.into()),
                    Put::Link(target) => walk::Content::Link(target),
                    Put::Folder => walk::Content::Folder,
                };
                walk::write(
                    &path,
                    mode,
                    owner,
                    content,
                    &mut self.baseline,
                    &self.layers,
                )
                .step(&format!("write {path}"))
            }
            ToInit::Walk => {
                self.walk(&Wire::new(next()?));
                Ok(())
            }
            ToInit::Stop => stop(),
            ToInit::Mounts(_) => Err(Failure::new("unexpected request")),
        }
    }

    fn spawn(&self, request: &SpawnRequest, files: child::Files) -> Result<(), Failure> {
        match fork_into(NO_NAMESPACES).step("start a process")? {
            Some(_) => Ok(()),
            None => child::run(self.setup, request, files),
        }
    }

    /// In a child, so that pid 1 keeps on reaping; by itself while the sample leaves no room for one.
    fn walk(&self, answers: &Wire) {
        let forked = fork_into(NO_NAMESPACES);
        if let Ok(Some(_)) = forked {
            return;
        }
        // When `apa` stops reading there is nobody to tell.
        let _ = Walker::new(self.baseline.clone(), &self.layers).send(answers);
        if forked.is_ok() {
            exit_now(0)
        }
    }
}

/// Signals everybody at once, so that no fork slips through, until nobody is left.
fn stop() -> Result<(), Failure> {
    const ROUNDS: u32 = 2_000;
    for _ in 0..ROUNDS {
        match kill(Pid::from_raw(-1), Signal::SIGKILL) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(()),
            other => other.step("end all processes")?,
        }
        reap();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(Failure::new("processes could not be ended"))
}

fn reap() {
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}
