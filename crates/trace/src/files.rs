//! Calls that name files.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use apa_model::{Access, EventKind, Hostile, Known, Outcome};

use crate::capture::Job;
use crate::log::Weight;
use crate::memory;
use crate::paths::{Found, MAY_EXECUTE, MAY_READ, MAY_WRITE, Place, lexical};
use crate::supervisor::{Answer, Call, Supervisor};
use crate::sys;

/// `None`: not a call of this kind.
pub(crate) fn handle(supervisor: &mut Supervisor, call: &Call) -> Option<Answer> {
    const HERE: i32 = libc::AT_FDCWD;
    let at = call.int(0);
    let empty = |flags: i32| flags & libc::AT_EMPTY_PATH != 0;
    let follow = |flags: i32| flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    let s = supervisor;
    match call.number {
        libc::SYS_open => open(s, call, HERE, 0, call.int(1)),
        libc::SYS_openat => open(s, call, at, 1, call.int(2)),
        libc::SYS_openat2 => open2(s, call),
        libc::SYS_creat => {
            let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
            open(s, call, HERE, 0, flags);
        }
        libc::SYS_stat | libc::SYS_lstat | libc::SYS_access => stat(s, call, HERE, 0),
        libc::SYS_newfstatat | libc::SYS_statx | libc::SYS_faccessat | libc::SYS_faccessat2 => {
            stat(s, call, at, 1);
        }
        libc::SYS_readlink => stat(s, call, HERE, 0),
        libc::SYS_readlinkat => stat(s, call, at, 1),
        libc::SYS_unlink => unlink(s, call, HERE, 0, false),
        libc::SYS_rmdir => unlink(s, call, HERE, 0, true),
        libc::SYS_unlinkat => unlink(s, call, at, 1, call.int(2) & libc::AT_REMOVEDIR != 0),
        libc::SYS_mkdir => mkdir(s, call, HERE, 0),
        libc::SYS_mkdirat => mkdir(s, call, at, 1),
        libc::SYS_rename => rename(s, call, (HERE, 0), (HERE, 1), 0),
        libc::SYS_renameat => rename(s, call, (at, 1), (call.int(2), 3), 0),
        libc::SYS_renameat2 => rename(s, call, (at, 1), (call.int(2), 3), call.int(4)),
        libc::SYS_link => link(s, call, (HERE, 0), (HERE, 1), 0),
        libc::SYS_linkat => link(s, call, (at, 1), (call.int(2), 3), call.int(4)),
        libc::SYS_symlink => symlink(s, call, HERE, 1),
        libc::SYS_symlinkat => symlink(s, call, call.int(1), 2),
        libc::SYS_chmod => chmod(s, call, (HERE, 0), true, 1),
        libc::SYS_fchmodat => chmod(s, call, (at, 1), true, 2),
        libc::SYS_fchmodat2 if !empty(call.int(3)) => {
            chmod(s, call, (at, 1), follow(call.int(3)), 2);
        }
        libc::SYS_fchmodat2 => chmod_open(s, call, 2),
        libc::SYS_fchmod => chmod_open(s, call, 1),
        libc::SYS_chown => chown(s, call, (HERE, 0), true),
        libc::SYS_lchown => chown(s, call, (HERE, 0), false),
        libc::SYS_fchownat if !empty(call.int(4)) => {
            chown(s, call, (at, 1), follow(call.int(4)));
        }
        libc::SYS_fchownat | libc::SYS_fchown => chown_open(s, call),
        libc::SYS_truncate => truncate(s, call),
        libc::SYS_ftruncate => truncate_open(s, call),
        libc::SYS_mknod => mknod(s, call, HERE, 0),
        libc::SYS_mknodat => mknod(s, call, at, 1),
        libc::SYS_chdir | libc::SYS_chroot => chdir(s, call),
        libc::SYS_fchdir => fchdir(s, call),
        _ => return None,
    }
    Some(Answer::Pass)
}

/// Where the path in an argument leads. `None`: the caller is gone.
fn place(
    supervisor: &mut Supervisor,
    call: &Call,
    (dirfd, argument): (i32, usize),
    follow: bool,
) -> Option<Place> {
    let path = memory::path(call.tid, call.args[argument]);
    if !supervisor.is_still(call) {
        return None;
    }
    let unknown = |path: Vec<u8>, errno| Place {
        path,
        found: Err(errno),
    };
    let Some(path) = path else {
        return Some(unknown(Vec::new(), Some(libc::EFAULT)));
    };
    if path.is_empty() {
        return Some(unknown(path, Some(libc::ENOENT)));
    }
    let full = supervisor.view(call).absolute(call.tid, dirfd, &path);
    Some(match full {
        Some(full) => supervisor.look(call, &full, follow),
        None => unknown(path, None),
    })
}

fn predicted(errno: Option<i32>) -> Outcome {
    match errno {
        Some(_) => Outcome {
            errno,
            known: Known::Predicted,
        },
        None => Outcome::UNKNOWN,
    }
}

/// Records a change to a file, which matters more at protected paths.
fn record_change(
    supervisor: &mut Supervisor,
    call: &Call,
    path: &[u8],
    kind: EventKind,
    errno: Option<i32>,
) {
    let weight = if supervisor.shared.is_protected(path) {
        Weight::Security
    } else {
        Weight::Change
    };
    supervisor.record(call, kind, predicted(errno), weight);
}

/// Whether an entry may be made or removed in the folder of a path.
fn may_change_folder(supervisor: &mut Supervisor, call: &Call, path: &[u8]) -> Option<i32> {
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
fn making(supervisor: &mut Supervisor, call: &Call, place: &Place) -> Option<i32> {
    match place.found {
        Ok(_) => Some(libc::EEXIST),
        Err(Some(libc::ENOENT)) => may_change_folder(supervisor, call, &place.path),
        Err(errno) => errno,
    }
}

/// The outcome of changing an existing file's attributes.
fn owning(supervisor: &mut Supervisor, call: &Call, place: &Place) -> Option<i32> {
    match &place.found {
        Ok(_) if !supervisor.view(call).reaches(call.tid, &place.path) => Some(libc::EACCES),
        Ok(found) if !supervisor.view(call).owns(call.tid, &found.stat) => Some(libc::EPERM),
        Ok(found) if sys::is_read_only(&found.file) => Some(libc::EROFS),
        Ok(_) => Some(0),
        Err(errno) => *errno,
    }
}

/// How a file's bytes are about to go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
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
fn keep(supervisor: &Supervisor, call: &Call, place: &Place, going: Going) {
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
            apa_model::IncompleteCode::DroppedLimit,
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

fn open2(supervisor: &mut Supervisor, call: &Call) {
    let flags = memory::bytes::<8>(call.tid, call.args[2]).map_or(0, u64::from_ne_bytes);
    open(supervisor, call, call.int(0), 1, flags as i32);
}

fn open(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize, flags: i32) {
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

/// What opening will give, as far as that can be told from outside.
fn opening(
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

/// Attributes asked for, or a link read. At paths that are not protected only counted.
fn stat(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize) {
    let Some(path) = memory::path(call.tid, call.args[argument]) else {
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

fn unlink(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize, directory: bool) {
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

fn mkdir(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize) {
    let Some(place) = place(supervisor, call, (dirfd, argument), false) else {
        return;
    };
    let errno = making(supervisor, call, &place);
    let kind = EventKind::Mkdir {
        path: Hostile::from(&place.path[..]),
    };
    record_change(supervisor, call, &place.path, kind, errno);
}

fn mknod(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize) {
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

fn rename(
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

fn link(
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

fn symlink(supervisor: &mut Supervisor, call: &Call, dirfd: i32, argument: usize) {
    let target = memory::path(call.tid, call.args[0]).unwrap_or_default();
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

fn chmod(
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

fn chmod_open(supervisor: &mut Supervisor, call: &Call, mode_argument: usize) {
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

fn chown(supervisor: &mut Supervisor, call: &Call, target: (i32, usize), follow: bool) {
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

fn chown_open(supervisor: &mut Supervisor, call: &Call) {
    let path = supervisor.view(call).of_descriptor(call.tid, call.int(0));
    let path = path.unwrap_or_default();
    let kind = EventKind::Chown {
        path: Hostile::from(&path[..]),
    };
    supervisor.forget_folders();
    record_change(supervisor, call, &path, kind, None);
}

fn truncate(supervisor: &mut Supervisor, call: &Call) {
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

fn truncate_open(supervisor: &mut Supervisor, call: &Call) {
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

fn chdir(supervisor: &mut Supervisor, call: &Call) {
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

fn fchdir(supervisor: &mut Supervisor, call: &Call) {
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
