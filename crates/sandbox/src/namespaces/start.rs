//! From nothing to a sandbox that is ready for commands.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::remains::Remains;
use crate::error::Doing;
use crate::helper::{FromInit, FromOuter, NAME_SERVER, Setup, ToInit, ToOuter};
use crate::ids::Ids;
use crate::kernel::open_pid;
use crate::launch::Helper;
use crate::wire::{Received, Wire};
use crate::{Network, Reply, SandboxError, views};

/// How long a helper may take for one step before it is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What a made sandbox is made of.
pub(super) struct Parts {
    pub(super) init: Wire,
    pub(super) network: Network,
    pub(super) root: OwnedFd,
}

/// Starts the helpers and waits until the sandbox is ready for commands.
pub(super) fn start_helpers(
    helper: &Helper,
    mut setup: Setup,
    ids: &Ids,
    remains: &mut Remains,
) -> Result<Parts, SandboxError> {
    let (child, outer) = helper.start().doing("start the sandbox's helper")?;
    let pid = child.id();
    remains.outer = Some((
        child,
        outer
            .as_fd()
            .try_clone_to_owned()
            .doing("hold the helper's channel")?,
    ));
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

    // Once for all commands, which are its children: moving a process waits for the whole kernel. Meanwhile the helpers
    // work on.
    if let Some(cgroups) = &remains.cgroups {
        cgroups
            .add(init_pid)
            .doing("bound the sandbox by its control groups")?;
    }
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
pub(super) fn receive<T: serde::de::DeserializeOwned>(
    wire: &Wire,
) -> io::Result<Option<Received<T>>> {
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

pub(super) fn receive_init(init: &Wire) -> Result<Option<Received<FromInit>>, SandboxError> {
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

pub(super) fn init_failure(step: &'static str, answer: FromInit) -> SandboxError {
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
