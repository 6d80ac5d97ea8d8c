//! Opening files and asking for their attributes.

use apa_model::{Access, EventKind};

use super::keep::{Going, keep};
use super::predict::opening;
use super::{place, predicted};
use crate::log::Weight;
use crate::memory;
use crate::paths::lexical;
use crate::supervisor::{Call, Supervisor};

pub(super) fn open2(supervisor: &mut Supervisor, call: &Call) {
    let flags = memory::bytes::<8>(&call.memory, call.args[2]).map_or(0, u64::from_ne_bytes);
    open(supervisor, call, call.int(0), 1, flags as i32);
}

pub(super) fn open(
    supervisor: &mut Supervisor,
    call: &Call,
    dirfd: i32,
    argument: usize,
    flags: i32,
) {
    let exclusive = flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0;
    let follow = flags & libc::O_NOFOLLOW == 0 && !exclusive;
    let Some(place) = place(supervisor, call, (dirfd, argument), follow) else {
        return;
    };
    let access = match flags & libc::O_ACCMODE {
        _ if flags & libc::O_PATH != 0 => Access::Path,
        libc::O_RDONLY => Access::Read,
        libc::O_WRONLY => Access::Write,
        _ => Access::ReadWrite,
    };
    let open_flags = if access == Access::Path { 0 } else { flags };
    let create = open_flags & libc::O_CREAT != 0;
    let truncate = open_flags & libc::O_TRUNC != 0;
    let errno = opening(supervisor, call, &place, access, flags);
    if truncate && errno == Some(0) {
        keep(supervisor, call, &place, Going::Cut);
    }
    let weight = if supervisor.shared.is_protected(&place.path) {
        Weight::Security
    } else if access.writes() || create || truncate {
        Weight::Change
    } else {
        Weight::Ordinary
    };
    let kind = EventKind::Open {
        path: place.path.into(),
        access,
        create,
        truncate,
    };
    supervisor.record(call, kind, predicted(errno), weight);
}

/// Attributes asked for, or a link read. At paths that are not protected only counted.
pub(super) fn stat(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize) {
    let Some(path) = memory::path(&call.memory, call.args[argument]) else {
        return supervisor.count_stat();
    };
    if path.is_empty() {
        return supervisor.count_stat();
    }
    let Some(full) = supervisor.view(call).absolute(call.tid, dirfd, &path) else {
        return supervisor.count_stat();
    };
    let plain = lexical(&full);
    if !supervisor.shared.is_protected(&plain) {
        return supervisor.count_stat();
    }
    if !supervisor.is_still(call) {
        return;
    }
    let place = supervisor.look(call, &full, false);
    let errno = match &place.found {
        Ok(_) if supervisor.view(call).reaches(call.tid, &place.path) => Some(0),
        Ok(_) => Some(libc::EACCES),
        Err(errno) => *errno,
    };
    let path = plain.into();
    let kind = match call.number {
        libc::SYS_readlink | libc::SYS_readlinkat => EventKind::Readlink { path },
        _ => EventKind::Stat { path },
    };
    supervisor.record(call, kind, predicted(errno), Weight::Security);
}
