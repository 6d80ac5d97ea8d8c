//! The kernel interfaces the tracer needs and the libraries do not wrap. All `unsafe` of the supervisor's
//! side is here.

use std::ffi::CStr;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use libc::{c_int, c_long, c_void};

mod notify;
mod trace;

pub(crate) use notify::{Listener, Notification, fetch_listener, receive_number, send_word};
pub(crate) use trace::{
    Resume, Stop, SyscallStop, event_message, resume, seize, syscall_stop, wait_any,
};

/// Turns the usual −1 into an error.
fn check(result: c_long) -> Result<c_long> {
    if result == -1 {
        Err(Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// What a clock shows, since its own zero. `None` for clocks that other processes do not share (those of processor
/// time).
pub(crate) fn clock(clock: c_int) -> Option<Duration> {
    let shared = [
        libc::CLOCK_REALTIME,
        libc::CLOCK_MONOTONIC,
        libc::CLOCK_BOOTTIME,
    ];
    if !shared.contains(&clock) {
        return None;
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for the answer; the call keeps no reference to it.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanoseconds = u32::try_from(time.tv_nsec).ok()?;
    (result == 0).then(|| Duration::new(seconds, nanoseconds))
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
    let read = check(unsafe {
        libc::process_vm_readv(
            tid,
            &raw const local,
            1,
            remote.as_ptr(),
            count as libc::c_ulong,
            0,
        ) as c_long
    })?;
    Ok(read as usize)
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
