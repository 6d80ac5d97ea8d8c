//! Calls that name files.

mod attributes;
mod keep;
mod names;
mod open;
mod predict;

use apa_model::{EventKind, Known, Outcome};

use crate::log::Weight;
use crate::memory;
use crate::paths::Place;
use crate::supervisor::{Answer, Call, Supervisor};

use attributes::{chmod, chmod_open, chown, chown_open, truncate, truncate_open};
use names::{chdir, fchdir, link, mkdir, mknod, rename, symlink, unlink};
use open::{open, open2, stat};

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
    let path = memory::path(&call.memory, call.args[argument]);
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
