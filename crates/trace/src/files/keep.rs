//! Keeps the bytes of files that are about to vanish.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use apa_model::{Hostile, IncompleteCode};

use crate::capture::Job;
use crate::paths::Place;
use crate::supervisor::{Call, Supervisor};

/// How a file's bytes are about to go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    Deleted,
    Renamed,
    /// Another file takes the name.
    Replaced,
    /// The file itself is cut.
    Cut,
}

impl Going {
    fn when(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Renamed => "renamed",
            Self::Replaced | Self::Cut => "overwritten",
        }
    }
}

/// Keeps the bytes of a file that package code is about to take away.
pub(super) fn keep(supervisor: &Supervisor, call: &Call, place: &Place, going: Going) {
    let Ok(found) = &place.found else {
        return;
    };
    let shared = &supervisor.shared;
    if !call.caller.package_code || !found.is(libc::S_IFREG) || !shared.is_captured(&place.path) {
        return;
    }
    let Ok(file) = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", found.file.as_raw_fd()))
    else {
        return shared.problem(
            IncompleteCode::DroppedLimit,
            "a file that vanished could not be opened",
        );
    };
    let job = Job {
        file: OwnedFd::from(file),
        path: Hostile::from(&place.path[..]),
        when: going.when(),
        process: call.caller.process,
        phase: shared.phase(),
        exec: None,
    };
    // A name can go while the descriptor keeps the bytes; bytes that are cut must be read first.
    if going == Going::Cut {
        shared.keeper.keep_now(job);
    } else {
        shared.keeper.keep(job);
    }
}
