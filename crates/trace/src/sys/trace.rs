//! Ptrace: what tracees report, and how they go on.

use std::io::{Error, Result};

use libc::c_int;

use super::check;

/// What `waitpid` says about a tracee.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// Ended with a status.
    Exited(i32),
    /// Killed by a signal.
    Killed(i32),
    /// A `PTRACE_EVENT_*` other than the two below.
    Event(c_int),
    /// First stop of a new tracee, or the end of a group stop.
    Started,
    /// A job-control stop.
    Group,
    /// Before or after a system call.
    Syscall,
    /// A signal is about to be delivered.
    Signal(i32),
}

/// Waits for the next stop of any tracee of this thread. `None`: there is none left.
pub(crate) fn wait_any() -> Option<(i32, Stop)> {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a local. `__WNOTHREAD` keeps other threads' children out.
        let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        if tid > 0 {
            return Some((tid, decode_status(status)));
        }
        if Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return None;
        }
    }
}

fn decode_status(status: c_int) -> Stop {
    if libc::WIFEXITED(status) {
        return Stop::Exited(libc::WEXITSTATUS(status));
    }
    if libc::WIFSIGNALED(status) {
        return Stop::Killed(libc::WTERMSIG(status));
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        0 if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
        0 => Stop::Signal(signal),
        libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Stop::Started,
        libc::PTRACE_EVENT_STOP => Stop::Group,
        event => Stop::Event(event),
    }
}

/// Becomes the tracer of a process without stopping it.
pub(crate) fn seize(pid: i32) -> Result<()> {
    let options = libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SEIZE, pid, options as usize)
}

/// How a stopped tracee goes on.
#[derive(Clone, Copy)]
pub(crate) enum Resume {
    /// Until the next event.
    Continue,
    /// Until the next event, entry to or exit from a call.
    ToSyscall,
    /// Stays stopped as job control wants it, yet reports.
    Listen,
}

/// Lets a tracee go on, delivering `signal` if it is not 0. One that was killed meanwhile is no error.
pub(crate) fn resume(tid: i32, how: Resume, signal: i32) {
    let request = match how {
        Resume::Continue => libc::PTRACE_CONT,
        Resume::ToSyscall => libc::PTRACE_SYSCALL,
        Resume::Listen => libc::PTRACE_LISTEN,
    };
    if let Err(error) = ptrace(request, tid, signal as usize)
        && error.raw_os_error() != Some(libc::ESRCH)
    {
        tracing::warn!(tid, %error, "tracee could not be resumed");
    }
}

fn ptrace(request: libc::c_uint, tid: i32, data: usize) -> Result<()> {
    // SAFETY: these requests take numbers only.
    check(unsafe { libc::ptrace(request, tid, 0usize, data) }).map(drop)
}

/// The number that comes with an event: the new child, or the former thread id of an exec.
pub(crate) fn event_message(tid: i32) -> Option<i32> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the pointer is to a local of the type the kernel writes.
    check(unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, tid, 0usize, &raw mut message) }).ok()?;
    i32::try_from(message).ok()
}

/// One side of a call, seen at a ptrace stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SyscallStop {
    /// About to be made.
    Entry { number: i64, args: [u64; 6] },
    /// Made.
    Exit { ret: i64 },
}

/// Which call a tracee is stopped at.
pub(crate) fn syscall_stop(tid: i32) -> Option<SyscallStop> {
    // SAFETY: plain data for which zero is valid.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes at most the size given.
    let written = check(unsafe {
        libc::ptrace(
            libc::PTRACE_GET_SYSCALL_INFO,
            tid,
            size_of::<libc::ptrace_syscall_info>(),
            &raw mut info,
        )
    });
    written.ok()?;
    match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            // SAFETY: `op` says that the kernel filled this member.
            let entry = unsafe { info.u.entry };
            Some(SyscallStop::Entry {
                number: entry.nr as i64,
                args: entry.args,
            })
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => {
            // SAFETY: `op` says that the kernel filled this member.
            let exit = unsafe { info.u.exit };
            Some(SyscallStop::Exit { ret: exit.sval })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_waitpid_are_told_apart() {
        assert!(matches!(decode_status(3 << 8), Stop::Exited(3)));
        assert!(matches!(decode_status(9), Stop::Killed(9)));
        assert!(matches!(decode_status(0x137f), Stop::Signal(19)));
        assert!(matches!(decode_status(0x857f), Stop::Syscall));
        assert!(matches!(decode_status(128 << 16 | 0x057f), Stop::Started));
        assert!(matches!(decode_status(128 << 16 | 0x137f), Stop::Group));
        assert!(matches!(decode_status(4 << 16 | 0x057f), Stop::Event(4)));
    }
}
