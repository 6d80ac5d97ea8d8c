//! The outer helper: owns the network namespace, makes pid 1, then binds sockets on request until `apa` is gone.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Gid, Pid, Uid, setresgid, setresuid};

use super::{Failure, FromOuter, Setup, Step, ToOuter, init, sockets};
use crate::kernel::{close_all_but, fork_into};
use crate::wire::Wire;

/// Serves until the other end of `control` closes, which takes the whole sandbox with it.
pub(super) fn run(control: &Wire) {
    close_all_but(3, &[control.as_fd().as_raw_fd() as u32]);
    let mut init = None;
    if let Err(Failure { errno, what }) = build(control, &mut init).and_then(|()| serve(control)) {
        // Nobody is left to tell if this fails.
        let _ = control.send(&FromOuter::Failed { errno, what }, &[]);
    }
    if let Some(init) = init {
        // It has ended already if this fails. Collected here, it leaves no trace in the host's process list.
        let _ = kill(init, Signal::SIGKILL);
        let _ = waitpid(init, None);
    }
}

fn build(control: &Wire, init: &mut Option<Pid>) -> Result<(), Failure> {
    let gone = || Failure::new("the analysis ended");
    let message = control
        .receive::<ToOuter>()
        .step("receive the set-up")?
        .ok_or_else(gone)?;
    let (ToOuter::Setup(setup), Some(to_init)) = (message.body, message.fds.into_iter().next())
    else {
        return Err(Failure::new("malformed set-up"));
    };
    unshare(CloneFlags::CLONE_NEWUSER).step("make a user namespace")?;
    control.send(&FromOuter::Unshared, &[]).step("report")?;
    control
        .receive::<ToOuter>()
        .step("wait for the id maps")?
        .ok_or_else(gone)?;
    become_root()?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWCGROUP,
    )
    .step("make the outer namespaces")?;
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .step("make mounts private")?;
    let far = sockets::enter()?;
    *init = Some(fork_init(&setup, to_init)?);
    let sockets = sockets::build(&far, setup.mac)?;
    let fds: Vec<_> = sockets.fds.iter().map(AsFd::as_fd).collect();
    control
        .send(&FromOuter::Network { v6: sockets.v6 }, &fds)
        .step("hand over the sockets")?;
    // The far end of eth0 lives as long as its namespace, which only this descriptor holds.
    std::mem::forget(far);
    Ok(())
}

/// Ids 0 of the new user namespace: this process's files and children are its root's.
fn become_root() -> Result<(), Failure> {
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).step("become group 0")?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).step("become user 0")?;
    // The change of user has closed this process's files under /proc, and so those of the child to come.
    nix::sys::prctl::set_dumpable(true).step("open /proc of pid 1")
}

/// Clones pid 1 into the inner namespaces and writes its id maps.
fn fork_init(setup: &Setup, channel: OwnedFd) -> Result<Pid, Failure> {
    let (go, waiting) = crate::wire::pair().step("make a socket pair")?;
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    let Some(pid) = fork_into(namespaces).step("make the inner namespaces")? else {
        drop(go);
        init::run(setup, Wire::new(channel), Wire::new(waiting));
    };
    let proc = std::path::PathBuf::from(format!("/proc/{pid}"));
    if !setup.groups {
        std::fs::write(proc.join("setgroups"), "deny").step("deny setgroups")?;
    }
    for map in ["uid_map", "gid_map"] {
        std::fs::write(proc.join(map), setup.inner.line()).step("write the inner id map")?;
    }
    Wire::new(go).send(&(), &[]).step("start pid 1")?;
    Ok(Pid::from_raw(pid))
}

fn serve(control: &Wire) -> Result<(), Failure> {
    while let Some(message) = control.receive::<ToOuter>().step("receive a request")? {
        let ToOuter::Bind(address) = message.body else {
            return Err(Failure::new("unexpected request"));
        };
        match sockets::answer_from(address) {
            Ok(socket) => control
                .send(&FromOuter::Bound, &[socket.as_fd()])
                .step("answer")?,
            Err(error) => {
                let failed = FromOuter::Failed {
                    errno: error.raw_os_error(),
                    what: format!("bind {address}"),
                };
                control.send(&failed, &[]).step("answer")?;
            }
        }
    }
    Ok(())
}
