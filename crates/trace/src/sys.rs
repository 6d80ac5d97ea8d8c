//! The kernel interfaces the tracer needs and the libraries do not wrap. All `unsafe` of the supervisor's
//! side is here.

use std::ffi::CStr;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use libc::{c_int, c_long, c_void};

/// Turns the usual −1 into an error.
fn check(result: c_long) -> Result<c_long> {
    if result == -1 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A handle on a process that pid reuse cannot redirect.
pub(crate) fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: takes plain numbers; the returned descriptor is new and ours.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// A copy of another process's descriptor.
pub(crate) fn pidfd_getfd(pidfd: &OwnedFd, fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: takes plain numbers; the returned descriptor is new and ours.
    unsafe {
        let fd = check(libc::syscall(
            libc::SYS_pidfd_getfd,
            pidfd.as_raw_fd(),
            fd,
            0,
        ))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Sends a signal; a process that is gone is no error.
pub(crate) fn kill(pid: i32, signal: c_int) {
    if pid > 0 {
        // SAFETY: takes plain numbers. A positive pid names one process, never a group.
        unsafe { libc::kill(pid, signal) };
    }
}

/// `openat2` with close-on-exec.
pub(crate) fn openat2(dir: RawFd, path: &CStr, flags: c_int, resolve: u64) -> Result<OwnedFd> {
    // SAFETY: `open_how` is plain data for which zero is valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    // SAFETY: `path` ends in NUL and `how` has the size given; the returned descriptor is new and ours.
    unsafe {
        let fd = check(libc::syscall(
            libc::SYS_openat2,
            dir,
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        ))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Attributes of an open file.
pub(crate) fn fstat(fd: &OwnedFd) -> Result<libc::stat> {
    // SAFETY: `stat` is plain data for which zero is valid; the kernel fills it.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        check(c_long::from(libc::fstat(fd.as_raw_fd(), &raw mut stat)))?;
        Ok(stat)
    }
}

/// Whether an open file lies on a read-only mount.
pub(crate) fn is_read_only(fd: &OwnedFd) -> bool {
    // SAFETY: `statvfs` is plain data for which zero is valid; the kernel fills it.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        libc::fstatvfs(fd.as_raw_fd(), &raw mut stat) == 0 && stat.f_flag & libc::ST_RDONLY != 0
    }
}

/// Target of a symbolic link relative to an open folder (or of the open link itself, with an empty path).
pub(crate) fn readlinkat(dir: RawFd, path: &CStr) -> Result<Vec<u8>> {
    let mut buffer = [0u8; libc::PATH_MAX as usize];
    // SAFETY: `path` ends in NUL, and the buffer is as long as said.
    let length = check(unsafe {
        libc::readlinkat(dir, path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) as c_long
    })?;
    Ok(buffer[..length as usize].to_vec())
}

/// Copies the memory of a thread's process at `address` into `buffer`. Reads up to the first page that cannot
/// be read and returns how many bytes that gave.
pub(crate) fn read_memory(tid: i32, address: u64, buffer: &mut [u8]) -> Result<usize> {
    const PAGE: u64 = 4096;
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast::<c_void>(),
        iov_len: buffer.len(),
    };
    // One vector a page: the kernel stops between vectors, never inside one.
    let mut remote = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; 18];
    let (mut at, mut left, mut count) = (address, buffer.len() as u64, 0);
    while left > 0 && count < remote.len() {
        let step = left.min(PAGE - at % PAGE);
        remote[count] = libc::iovec {
            iov_base: at as *mut c_void,
            iov_len: step as usize,
        };
        count += 1;
        left -= step;
        let Some(next) = at.checked_add(step) else {
            break;
        };
        at = next;
    }
    // SAFETY: the local vector covers exactly `buffer`; the remote addresses are only looked up in the other
    // process by the kernel.
    let result = check(unsafe {
        libc::process_vm_readv(
            tid,
            &raw const local,
            1,
            remote.as_ptr(),
            count as libc::c_ulong,
            0,
        ) as c_long
    });
    match result {
        Ok(read) => Ok(read as usize),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            read_memory_file(tid, address, buffer)
        }
        Err(error) => Err(error),
    }
}

/// The same through /proc, for systems that forbid the call.
fn read_memory_file(tid: i32, address: u64, buffer: &mut [u8]) -> Result<usize> {
    let file = std::fs::File::open(format!("/proc/{tid}/mem"))?;
    let mut done = 0;
    while done < buffer.len() {
        let at = address
            .checked_add(done as u64)
            .ok_or(Error::from_raw_os_error(libc::EFAULT))?;
        let page = (4096 - at % 4096) as usize;
        let end = buffer.len().min(done + page);
        match file.read_at(&mut buffer[done..end], at) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// `SO_DOMAIN` of a socket.
pub(crate) fn socket_domain(fd: &OwnedFd) -> Option<c_int> {
    let mut domain: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: both pointers are to locals of the size given.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DOMAIN,
            (&raw mut domain).cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(domain)
}

/// The supervisor's end of a seccomp filter.
pub(crate) struct Listener {
    fd: OwnedFd,
    wakes_at_end: bool,
}

fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| {
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0));
        (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
    })
}

/// A call the sample is waiting in.
#[derive(Clone, Copy)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    pub(crate) tid: i32,
    pub(crate) arch: u32,
    pub(crate) number: i64,
    pub(crate) args: [u64; 6],
}

/// The kernel's structure with room for later kernels' longer ones.
#[repr(C)]
struct NotificationBuffer {
    notification: libc::seccomp_notif,
    room: [u64; 22],
}

impl Listener {
    /// Takes the descriptor and asks the kernel to run the supervisor on the caller's processor, which makes
    /// a call 3.6 times cheaper (kernel 6.6; earlier ones refuse, which only costs time).
    pub(crate) fn new(fd: OwnedFd) -> Self {
        const SYNC_WAKE_UP: u64 = 1;
        // SAFETY: this ioctl takes a number.
        unsafe {
            libc::ioctl(
                fd.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                SYNC_WAKE_UP,
            )
        };
        Self {
            fd,
            wakes_at_end: kernel_is_at_least(6, 11),
        }
    }

    /// Whether [`Listener::receive`] returns when the last process under the filter ends. Older kernels leave it
    /// waiting.
    pub(crate) fn wakes_at_end(&self) -> bool {
        self.wakes_at_end
    }

    /// Waits up to `timeout_ms` (−1: without end) for a call. False: none came. Fails when no process is
    /// left under the filter.
    pub(crate) fn wait(&self, timeout_ms: c_int) -> Result<bool> {
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one entry, as said.
        match unsafe { libc::poll(&raw mut poll, 1, timeout_ms) } {
            0 => Ok(false),
            -1 => match Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EINTR) => Ok(false),
                error => Err(error),
            },
            _ if poll.revents & libc::POLLIN != 0 => Ok(true),
            _ => Err(Error::from_raw_os_error(libc::EPIPE)),
        }
    }

    /// Takes the next call. `None`: it vanished meanwhile.
    pub(crate) fn receive(&self) -> Result<Option<Notification>> {
        // SAFETY: plain data for which zero is valid, and which the kernel wants zeroed.
        let mut buffer: NotificationBuffer = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes its own `seccomp_notif`, which is no longer than the buffer.
        let result = unsafe {
            libc::ioctl(
                self.fd.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut buffer,
            )
        };
        if result == -1 {
            let error = Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINTR) => Ok(None),
                _ => Err(error),
            };
        }
        let notification = &buffer.notification;
        Ok(Some(Notification {
            id: notification.id,
            tid: notification.pid as i32,
            arch: notification.data.arch,
            number: i64::from(notification.data.nr),
            args: notification.data.args,
        }))
    }

    /// Whether the caller still waits: what was read from its memory before is really its own.
    pub(crate) fn is_valid(&self, id: u64) -> bool {
        // SAFETY: the pointer is to a local number.
        unsafe {
            libc::ioctl(
                self.fd.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const id,
            ) == 0
        }
    }

    /// Lets the kernel perform the call. A caller that died is no error.
    pub(crate) fn let_pass(&self, id: u64) {
        self.respond(id, 0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32);
    }

    /// Answers in the kernel's place: a value, or a positive errno.
    pub(crate) fn answer(&self, id: u64, value: i64, errno: i32) {
        self.respond(id, value, -errno, 0);
    }

    fn respond(&self, id: u64, val: i64, error: i32, flags: u32) {
        let mut response = libc::seccomp_notif_resp {
            id,
            val,
            error,
            flags,
        };
        // SAFETY: the pointer is to a local structure of the kernel's layout. A failure means that the caller
        // is gone.
        unsafe {
            libc::ioctl(
                self.fd.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw mut response,
            )
        };
    }
}

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

/// Reads the number a child announces. `None`: it did not within the time.
pub(crate) fn receive_number(control: &OwnedFd, within: Duration) -> Option<RawFd> {
    let mut poll = libc::pollfd {
        fd: control.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut number = [0u8; 4];
    // SAFETY: one entry, as said; the buffer has the length given.
    let read = unsafe {
        if libc::poll(&raw mut poll, 1, within.as_millis() as c_int) != 1 {
            return None;
        }
        libc::recv(
            control.as_raw_fd(),
            number.as_mut_ptr().cast(),
            number.len(),
            libc::MSG_DONTWAIT,
        )
    };
    (read == 4)
        .then(|| RawFd::from_ne_bytes(number))
        .filter(|number| *number >= 0)
}

/// Tells a waiting child to go on.
pub(crate) fn send_word(control: &OwnedFd) -> Result<()> {
    // SAFETY: the buffer has the length given.
    let sent = unsafe {
        libc::send(
            control.as_raw_fd(),
            c"g".as_ptr().cast(),
            1,
            libc::MSG_NOSIGNAL,
        )
    };
    check(sent as c_long).map(drop)
}

/// Takes the listener out of a child as soon as it is there.
pub(crate) fn fetch_listener(pidfd: &OwnedFd, number: RawFd, within: Duration) -> Result<Listener> {
    let deadline = Instant::now() + within;
    loop {
        match pidfd_getfd(pidfd, number) {
            Ok(fd) => return Ok(Listener::new(fd)),
            Err(error)
                if error.raw_os_error() == Some(libc::EBADF) && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_micros(100));
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_reading_memory_agree_and_stop_at_the_first_hole() {
        let own = std::process::id() as i32;
        let text = [7u8; 10_000];
        for read in [read_memory, read_memory_file] {
            let mut buffer = [0u8; 10_000];
            let address = text.as_ptr() as u64;
            assert_eq!(read(own, address, &mut buffer).ok(), Some(10_000));
            assert_eq!(buffer, text);
            assert!(read(own, 8, &mut buffer).is_err());
        }
    }

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
