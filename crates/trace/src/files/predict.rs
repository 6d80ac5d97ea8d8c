//! What a call will give, as far as that can be told from outside.

use apa_model::Access;

use crate::paths::{Found, MAY_EXECUTE, MAY_READ, MAY_WRITE, Place};
use crate::supervisor::{Call, Supervisor};
use crate::sys;

/// Whether an entry may be made or removed in the folder of a path.
pub(super) fn may_change_folder(
    supervisor: &mut Supervisor,
    call: &Call,
    path: &[u8],
) -> Option<i32> {
    let view = supervisor.view(call);
    let Some(folder) = view.folder_of(path) else {
        return Some(libc::ENOENT);
    };
    Some(
        if !view.may(call.tid, &folder.stat, MAY_WRITE | MAY_EXECUTE)
            || !view.reaches(call.tid, path)
        {
            libc::EACCES
        } else if sys::is_read_only(&folder.file) {
            libc::EROFS
        } else {
            0
        },
    )
}

/// The outcome of making `path`, which must not be there yet.
pub(super) fn making(supervisor: &mut Supervisor, call: &Call, place: &Place) -> Option<i32> {
    match place.found {
        Ok(_) => Some(libc::EEXIST),
        Err(Some(libc::ENOENT)) => may_change_folder(supervisor, call, &place.path),
        Err(errno) => errno,
    }
}

/// The outcome of changing an existing file's attributes.
pub(super) fn owning(supervisor: &mut Supervisor, call: &Call, place: &Place) -> Option<i32> {
    match &place.found {
        Ok(_) if !supervisor.view(call).reaches(call.tid, &place.path) => Some(libc::EACCES),
        Ok(found) if !supervisor.view(call).owns(call.tid, &found.stat) => Some(libc::EPERM),
        Ok(found) if sys::is_read_only(&found.file) => Some(libc::EROFS),
        Ok(_) => Some(0),
        Err(errno) => *errno,
    }
}

/// What opening will give, as far as that can be told from outside.
pub(super) fn opening(
    supervisor: &mut Supervisor,
    call: &Call,
    place: &Place,
    access: Access,
    flags: i32,
) -> Option<i32> {
    let found = match &place.found {
        Ok(found) => found,
        Err(Some(libc::ENOENT)) if flags & libc::O_CREAT != 0 => {
            return may_change_folder(supervisor, call, &place.path);
        }
        Err(errno) => return *errno,
    };
    let is_folder = found.is(libc::S_IFDIR);
    let writes = access.writes() || flags & libc::O_TRUNC != 0;
    let want = match access {
        Access::Read => MAY_READ,
        Access::Write => MAY_WRITE,
        Access::ReadWrite => MAY_READ | MAY_WRITE,
        Access::Path => 0,
    };
    Some(if flags & libc::O_CREAT != 0 && flags & libc::O_EXCL != 0 {
        libc::EEXIST
    } else if found.is(libc::S_IFLNK) && access != Access::Path {
        libc::ELOOP
    } else if flags & libc::O_TMPFILE == libc::O_TMPFILE {
        return temporary(supervisor, call, found);
    } else if flags & libc::O_DIRECTORY != 0 && !is_folder {
        libc::ENOTDIR
    } else if is_folder && (writes || flags & libc::O_CREAT != 0) {
        libc::EISDIR
    } else if !may_open(supervisor, call, place, found, want) {
        libc::EACCES
    } else if writes && found.is(libc::S_IFREG) && sys::is_read_only(&found.file) {
        libc::EROFS
    } else {
        0
    })
}

fn may_open(
    supervisor: &mut Supervisor,
    call: &Call,
    place: &Place,
    found: &Found,
    want: u32,
) -> bool {
    let view = supervisor.view(call);
    view.may(call.tid, &found.stat, want) && view.reaches(call.tid, &place.path)
}

/// A file without a name in a folder.
fn temporary(supervisor: &mut Supervisor, call: &Call, folder: &Found) -> Option<i32> {
    let may = supervisor
        .view(call)
        .may(call.tid, &folder.stat, MAY_WRITE | MAY_EXECUTE);
    Some(if may { 0 } else { libc::EACCES })
}
