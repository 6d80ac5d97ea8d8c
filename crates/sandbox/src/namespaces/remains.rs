//! From a living sandbox to none.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Teardown;
use crate::cgroup::Cgroups;
use crate::kernel::{kill, open_pid};
use crate::leftovers::Note;

/// What must be cleaned up, however far the making came.
pub(super) struct Remains {
    pub(super) outer: Option<(Child, OwnedFd)>,
    pub(super) init: Option<OwnedFd>,
    pub(super) cgroups: Option<Arc<Cgroups>>,
    pub(super) note: Note,
}

impl Remains {
    pub(super) fn of(cgroups: Arc<Cgroups>) -> Self {
        Self {
            outer: None,
            init: None,
            cgroups: Some(cgroups),
            note: Note::default(),
        }
    }

    /// Kills pid 1 and so everything in its namespace, then removes what is left. Does nothing the second time.
    pub(super) fn tear_down(&mut self) -> Teardown {
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
        if let Some((outer, channel)) = self.outer.take()
            && let Err(error) = end_helper(outer, &channel)
        {
            problems.push(format!("the sandbox's helper was not collected: {error}"));
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

/// The helper ends when its channel does, and collects pid 1 before; it is killed if it does not.
fn end_helper(mut outer: Child, channel: &OwnedFd) -> io::Result<()> {
    use nix::sys::socket::{Shutdown, shutdown};
    const PATIENCE_MS: u16 = 2000;
    let process = open_pid(outer.id() as i32)?;
    // A channel that is closed already has the same effect.
    let _ = shutdown(channel.as_raw_fd(), Shutdown::Both);
    let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ended, PollTimeout::from(PATIENCE_MS)) != Ok(1) {
        outer.kill()?;
    }
    outer.wait().map(drop)
}

impl Drop for Remains {
    fn drop(&mut self) {
        self.tear_down();
    }
}
