//! Making, moving and removing names.

use apa_model::{EventKind, Hostile, Outcome};

use super::keep::{Going, keep};
use super::predict::{making, may_change_folder};
use super::{place, predicted, record_change};
use crate::log::Weight;
use crate::memory;
use crate::paths::{MAY_EXECUTE, Place};
use crate::supervisor::{Call, Supervisor};

pub(super) fn unlink(
    supervisor: &mut Supervisor,
    call: &Call,
    dirfd: i32,
    argument: usize,
    directory: bool,
) {
    let Some(place) = place(supervisor, call, (dirfd, argument), false) else {
        return;
    };
    let errno = match &place.found {
        Ok(found) if !directory && found.is(libc::S_IFDIR) => Some(libc::EISDIR),
        Ok(found) if directory && !found.is(libc::S_IFDIR) => Some(libc::ENOTDIR),
        // Whether a folder is empty is not looked at.
        Ok(_) => may_change_folder(supervisor, call, &place.path)
            .filter(|&errno| !directory || errno != 0),
        Err(errno) => *errno,
    };
    if errno == Some(0) {
        keep(supervisor, call, &place, Going::Deleted);
    }
    let kind = EventKind::Unlink {
        path: Hostile::from(&place.path[..]),
        directory,
    };
    record_change(supervisor, call, &place.path, kind, errno);
}

pub(super) fn mkdir(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize) {
    let Some(place) = place(supervisor, call, (dirfd, argument), false) else {
        return;
    };
    let errno = making(supervisor, call, &place);
    let kind = EventKind::Mkdir {
        path: Hostile::from(&place.path[..]),
    };
    record_change(supervisor, call, &place.path, kind, errno);
}

pub(super) fn mknod(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize) {
    let Some(place) = place(supervisor, call, (dirfd, argument), false) else {
        return;
    };
    let errno = making(supervisor, call, &place);
    let kind = EventKind::Mknod {
        path: Hostile::from(&place.path[..]),
        mode: call.args[argument + 1] as u32,
    };
    record_change(supervisor, call, &place.path, kind, errno);
}

pub(super) fn rename(
    supervisor: &mut Supervisor,
    call: &Call,
    from: (i32, usize),
    to: (i32, usize),
    flags: i32,
) {
    let (Some(from), Some(to)) = (
        place(supervisor, call, from, false),
        place(supervisor, call, to, false),
    ) else {
        return;
    };
    let keeps_target = flags & (libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE) as i32 != 0;
    let errno = match (&from.found, &to.found) {
        (Err(errno), _) => *errno,
        (Ok(_), Ok(_)) if flags & libc::RENAME_NOREPLACE as i32 != 0 => Some(libc::EEXIST),
        _ => match may_change_folder(supervisor, call, &from.path) {
            Some(0) => may_change_folder(supervisor, call, &to.path),
            errno => errno,
        },
    };
    if errno == Some(0) {
        keep(supervisor, call, &from, Going::Renamed);
        if !keeps_target {
            keep(supervisor, call, &to, Going::Replaced);
        }
    }
    supervisor.forget_folders();
    let protected = if supervisor.shared.is_protected(&from.path) {
        from.path.clone()
    } else {
        to.path.clone()
    };
    let kind = EventKind::Rename {
        from: from.path.into(),
        to: to.path.into(),
    };
    record_change(supervisor, call, &protected, kind, errno);
}

pub(super) fn link(
    supervisor: &mut Supervisor,
    call: &Call,
    target: (i32, usize),
    path: (i32, usize),
    flags: i32,
) {
    let target = if flags & libc::AT_EMPTY_PATH != 0 {
        let path = supervisor.view(call).of_descriptor(call.tid, target.0);
        Some(Place {
            path: path.unwrap_or_default(),
            found: Err(None),
        })
    } else {
        place(
            supervisor,
            call,
            target,
            flags & libc::AT_SYMLINK_FOLLOW != 0,
        )
    };
    let (Some(target), Some(path)) = (target, place(supervisor, call, path, false)) else {
        return;
    };
    let errno = match &target.found {
        Ok(_) => making(supervisor, call, &path),
        Err(errno) => *errno,
    };
    let protected = if supervisor.shared.is_protected(&target.path) {
        target.path.clone()
    } else {
        path.path.clone()
    };
    let kind = EventKind::Link {
        target: target.path.into(),
        path: path.path.into(),
        symbolic: false,
    };
    record_change(supervisor, call, &protected, kind, errno);
}

pub(super) fn symlink(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize) {
    let target = memory::path(&call.memory, call.args[0]).unwrap_or_default();
    let Some(place) = place(supervisor, call, (dirfd, argument), false) else {
        return;
    };
    let errno = making(supervisor, call, &place);
    let protected = if supervisor.shared.is_protected(&target) {
        target.clone()
    } else {
        place.path.clone()
    };
    let kind = EventKind::Link {
        target: target.into(),
        path: place.path.into(),
        symbolic: true,
    };
    record_change(supervisor, call, &protected, kind, errno);
}

pub(super) fn chdir(supervisor: &mut Supervisor, call: &Call) {
    let Some(place) = place(supervisor, call, (libc::AT_FDCWD, 0), true) else {
        return;
    };
    let view = supervisor.view(call);
    let errno = match &place.found {
        Ok(found) if !found.is(libc::S_IFDIR) => Some(libc::ENOTDIR),
        Ok(found) if !view.may(call.tid, &found.stat, MAY_EXECUTE) => Some(libc::EACCES),
        Ok(_) => Some(0),
        Err(errno) => *errno,
    };
    view.unsettle(call.tid);
    let root = call.number == libc::SYS_chroot;
    let (weight, errno) = if root {
        (Weight::Security, errno.filter(|&errno| errno != 0))
    } else {
        (Weight::Ordinary, errno)
    };
    let kind = EventKind::Chdir {
        path: place.path.into(),
        root,
    };
    supervisor.record(call, kind, predicted(errno), weight);
}

pub(super) fn fchdir(supervisor: &mut Supervisor, call: &Call) {
    let view = supervisor.view(call);
    let path = view
        .of_descriptor(call.tid, call.int(0))
        .unwrap_or_default();
    view.unsettle(call.tid);
    let kind = EventKind::Chdir {
        path: path.into(),
        root: false,
    };
    supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Ordinary);
}
