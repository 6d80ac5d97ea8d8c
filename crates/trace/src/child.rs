//! The traced child's side of the handshake.

use std::os::fd::RawFd;

use libc::{c_int, c_long};

use crate::Filter;

/// Tells the supervisor which descriptor the listener will get, waits for its word, and installs the filter.
///
/// Called in the forked child after every other set-up and right before `execve`; only `execve` or `_exit` may
/// follow, because every other call might wait for an answer. Sets `no_new_privs`. `control_fd` is the
/// child's end of a seqpacket socket pair whose other end goes to [`crate::Session::attach`].
///
/// # Errors
/// The errno of the step that failed; `EPIPE` when the supervisor gave up.
///
/// # Safety
/// It is async-signal-safe (it allocates nothing and takes no lock), so it may run between `fork` and `exec` of a
/// process with threads; `control_fd` must be open and not used by anybody else.
pub unsafe fn arm(control_fd: RawFd, filter: &Filter) -> Result<(), c_int> {
    let program = filter.program();
    let mut program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: plain system calls on numbers and on locals that outlive them.
    unsafe {
        check(c_long::from(libc::prctl(
            libc::PR_SET_NO_NEW_PRIVS,
            1,
            0,
            0,
            0,
        )))?;
        // The kernel gives the lowest free number to the listener as it does to this copy.
        let listener = check(c_long::from(libc::dup(control_fd)))? as c_int;
        check(c_long::from(libc::close(listener)))?;
        let announcement = listener.to_ne_bytes();
        let sent = libc::send(
            control_fd,
            announcement.as_ptr().cast(),
            announcement.len(),
            libc::MSG_NOSIGNAL,
        );
        check(sent as c_long)?;
        let mut word = 0u8;
        loop {
            match libc::recv(control_fd, (&raw mut word).cast(), 1, 0) {
                1 => break,
                -1 if *libc::__errno_location() == libc::EINTR => {}
                -1 => return Err(*libc::__errno_location()),
                _ => return Err(libc::EPIPE),
            }
        }
        install(&raw mut program)
    }
}

/// A call that was taken by the supervisor is not torn out of its hands by every signal (kernel 5.19); kernels
/// before that report such a call twice.
///
/// # Safety
/// `program` points at a valid filter.
unsafe fn install(program: *mut libc::sock_fprog) -> Result<(), c_int> {
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    for flags in [
        listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
        listener,
    ] {
        // SAFETY: the caller's pointer is valid; the rest are numbers.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                program,
            )
        };
        match check(result) {
            Ok(_) => return Ok(()),
            Err(libc::EINVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(libc::EINVAL)
}

fn check(result: c_long) -> Result<c_long, c_int> {
    if result == -1 {
        // SAFETY: the location is this thread's own.
        Err(unsafe { *libc::__errno_location() })
    } else {
        Ok(result)
    }
}
