//! Changing what belongs to a file: mode, owner, length.

use apa_model::{Access, EventKind, Hostile};

use super::keep::{Going, keep};
use super::predict::{opening, owning};
use super::{place, record_change};
use crate::supervisor::{Call, Supervisor};

pub(super) fn chmod(
    supervisor: &mut Supervisor,
    call: &Call,
    target: (i32, usize),
    follow: bool,
    mode_argument: usize,
) {
    let Some(place) = place(supervisor, call, target, follow) else {
        return;
    };
    let errno = owning(supervisor, call, &place);
    chmod_path(supervisor, call, place.path, mode_argument, errno);
}

pub(super) fn chmod_open(supervisor: &mut Supervisor, call: &Call, mode_argument: usize) {
    let path = supervisor.view(call).of_descriptor(call.tid, call.int(0));
    let path = path.unwrap_or_default();
    chmod_path(supervisor, call, path, mode_argument, None);
}

fn chmod_path(
    supervisor: &mut Supervisor,
    call: &Call,
    path: Vec<u8>,
    mode_argument: usize,
    errno: Option<i32>,
) {
    supervisor.forget_folders();
    let kind = EventKind::Chmod {
        path: Hostile::from(&path[..]),
        mode: call.args[mode_argument] as u32 & 0o7777,
    };
    record_change(supervisor, call, &path, kind, errno);
}

pub(super) fn chown(supervisor: &mut Supervisor, call: &Call, target: (i32, usize), follow: bool) {
    let Some(place) = place(supervisor, call, target, follow) else {
        return;
    };
    // Who may give a file away depends on more than is looked at.
    let errno = place.found.as_ref().err().copied().flatten();
    let kind = EventKind::Chown {
        path: Hostile::from(&place.path[..]),
    };
    supervisor.forget_folders();
    record_change(supervisor, call, &place.path, kind, errno);
}

pub(super) fn chown_open(supervisor: &mut Supervisor, call: &Call) {
    let path = supervisor.view(call).of_descriptor(call.tid, call.int(0));
    let path = path.unwrap_or_default();
    let kind = EventKind::Chown {
        path: Hostile::from(&path[..]),
    };
    supervisor.forget_folders();
    record_change(supervisor, call, &path, kind, None);
}

pub(super) fn truncate(supervisor: &mut Supervisor, call: &Call) {
    let Some(place) = place(supervisor, call, (libc::AT_FDCWD, 0), true) else {
        return;
    };
    let errno = opening(supervisor, call, &place, Access::Write, 0);
    if errno == Some(0) {
        keep(supervisor, call, &place, Going::Cut);
    }
    let kind = EventKind::Truncate {
        path: Hostile::from(&place.path[..]),
        length: call.args[1],
    };
    record_change(supervisor, call, &place.path, kind, errno);
}

pub(super) fn truncate_open(supervisor: &mut Supervisor, call: &Call) {
    let view = supervisor.view(call);
    let Some(path) = view.of_descriptor(call.tid, call.int(0)) else {
        return;
    };
    let place = supervisor.look(call, &path, true);
    keep(supervisor, call, &place, Going::Cut);
    let kind = EventKind::Truncate {
        path: Hostile::from(&path[..]),
        length: call.args[1],
    };
    record_change(supervisor, call, &path, kind, None);
}
