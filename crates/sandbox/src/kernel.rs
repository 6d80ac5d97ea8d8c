//! System calls that have no safe wrapper in the libraries used here.

use std::ffi::{CStr, CString, c_long};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

/// A mount's files cannot be written.
pub(crate) const READ_ONLY: u64 = 1;
/// Set-user-id bits on it have no effect.
pub(crate) const NO_SUID: u64 = 2;
/// Devices on it cannot be opened.
pub(crate) const NO_DEVICES: u64 = 4;
const ID_MAPPED: u64 = 0x10_0000;

/// `struct mount_attr`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Adds attributes to the mount at `path` and all below it; what is set already stays.
pub(crate) fn set_mount_attributes(path: &Path, set: u64) -> io::Result<()> {
    let attributes = MountAttributes {
        set,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    mount_setattr(libc::AT_FDCWD, &c_path(path)?, 0, &attributes)
}

/// The same for a detached tree, whose ids are translated as in a user namespace.
pub(crate) fn set_tree_attributes(
    tree: &OwnedFd,
    set: u64,
    ids_of: BorrowedFd<'_>,
) -> io::Result<()> {
    let user_namespace = ids_of.as_raw_fd() as u64;
    let attributes = MountAttributes {
        set: set | ID_MAPPED,
        clear: 0,
        propagation: 0,
        user_namespace,
    };
    mount_setattr(tree.as_raw_fd(), c"", libc::AT_EMPTY_PATH, &attributes)
}

fn mount_setattr(at: i32, path: &CStr, flags: i32, attributes: &MountAttributes) -> io::Result<()> {
    // SAFETY: the path ends in zero, the structure has the kernel's layout and its size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags | libc::AT_RECURSIVE,
            &raw const *attributes,
            size_of::<MountAttributes>(),
        )
    };
    check(result).map(drop)
}

/// A detached copy of the mounts at and below `path`.
pub(crate) fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    const OPEN_TREE_CLONE: u32 = 1;
    let path = c_path(path)?;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | libc::AT_RECURSIVE as u32;
    // SAFETY: the path ends in zero.
    new_fd(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })
}

/// Attaches a detached tree at `path`.
pub(crate) fn attach_tree(tree: &OwnedFd, path: &Path) -> io::Result<()> {
    const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;
    let path = c_path(path)?;
    // SAFETY: both paths end in zero and the descriptor is open.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    check(result).map(drop)
}

/// A descriptor that stands for a process, whatever becomes of its number.
pub(crate) fn open_pid(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes plain numbers.
    new_fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Kills the process behind a descriptor.
pub(crate) fn kill(process: &OwnedFd) -> io::Result<()> {
    let fd = process.as_raw_fd();
    // SAFETY: takes an open descriptor, numbers and a null pointer.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, 0, 0) }).map(drop)
}

/// Like `fork`, with the child in new namespaces (0: none). `None` in the child. Only for processes with one thread.
pub(crate) fn fork_into(namespaces: i32) -> io::Result<Option<i32>> {
    // SAFETY: without CLONE_VM and without a new stack this is fork(2); the helpers that use it have one thread.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone, namespaces | libc::SIGCHLD, 0, 0, 0, 0) })?;
    Ok((pid != 0).then_some(pid as i32))
}

/// Makes `to` another name of the open descriptor `from`, whatever `to` was before.
pub(crate) fn duplicate(from: i32, to: i32) -> io::Result<()> {
    // SAFETY: takes numbers; the callers own what `to` was, if anything.
    check(c_long::from(unsafe { libc::dup2(from, to) })).map(drop)
}

/// Gives every signal its default action and blocks none.
pub(crate) fn default_signals() -> io::Result<()> {
    use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
    for number in Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default action needs no handler.
        unsafe { signal(number, SigHandler::SigDfl) }?;
    }
    Ok(sigprocmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::empty()),
        None,
    )?)
}

/// Closes every descriptor from `first` on except those given, in ascending order. What is closed must not be
/// owned by a value that is used or dropped afterwards.
pub(crate) fn close_all_but(first: u32, keep: &[u32]) {
    // SAFETY: the callers are helpers that keep no owner of what they close alive.
    let close = |from: u32, to: u32| unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
    let mut from = first;
    for &fd in keep {
        if fd > from {
            close(from, fd - 1);
        }
        from = from.max(fd + 1);
    }
    close(from, u32::MAX);
}

/// Ends the process without the exit handlers that a fork shares with its parent.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: never returns and touches no memory.
    unsafe { libc::_exit(status) }
}

/// Leaves the session keyring that was inherited from the host for a fresh one. Where keyrings are absent there is
/// nothing to leave.
pub(crate) fn fresh_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_ulong = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) };
}

/// Gives up what a program with file capabilities could regain. Needs privileges in the user namespace.
pub(crate) fn drop_bounding_set() {
    for capability in 0..64 {
        // SAFETY: takes plain numbers; fails with EINVAL past the kernel's last capability.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
}

/// Gives up all capabilities of this process.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let none = [0u32; 6];
    // SAFETY: version 3 reads one header and two sets of three words.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// A file in memory that may be executed and, once sealed, not changed.
pub(crate) fn executable_memory(name: &CStr) -> io::Result<OwnedFd> {
    const MFD_EXEC: libc::c_uint = 0x10;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name ends in zero.
    let make = |flags| {
        new_fd(c_long::from(unsafe {
            libc::memfd_create(name.as_ptr(), flags)
        }))
    };
    // Kernels before 6.3 do not know the flag and need none.
    make(flags | MFD_EXEC).or_else(|_| make(flags))
}

/// Forbids any change to a file in memory.
pub(crate) fn seal(file: &impl AsFd) -> io::Result<()> {
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: takes an open descriptor and numbers.
    let result = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_ADD_SEALS, seals) };
    check(c_long::from(result)).map(drop)
}

/// Switches a socket option on.
pub(crate) fn enable(socket: &impl AsFd, level: i32, option: i32) -> io::Result<()> {
    let one: i32 = 1;
    // SAFETY: the value is a C int that lives during the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const one).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    check(c_long::from(result)).map(drop)
}

/// Takes over descriptors that the kernel has just installed for a message.
pub(crate) fn received(fds: Vec<i32>) -> impl Iterator<Item = OwnedFd> {
    // SAFETY: they are new and owned by nobody else.
    fds.into_iter()
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn new_fd(result: c_long) -> io::Result<OwnedFd> {
    // SAFETY: the kernel has just made it; nobody else owns it.
    check(result).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Whether filters may answer with this action.
pub(crate) fn seccomp_action_available(action: u32) -> bool {
    const SECCOMP_GET_ACTION_AVAIL: u32 = 2;
    // SAFETY: the kernel reads one 32-bit number that lives during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        )
    };
    result == 0
}

/// Whether a descriptor can be taken over from a process; tried on this one.
pub(crate) fn can_take_descriptors() -> bool {
    let Ok(own) = open_pid(std::process::id() as i32) else {
        return false;
    };
    // SAFETY: takes open descriptors and numbers.
    new_fd(unsafe { libc::syscall(libc::SYS_pidfd_getfd, own.as_raw_fd(), own.as_raw_fd(), 0) })
        .is_ok()
}
