//! Seccomp user notification, and the handshake that hands the listener over.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use libc::{c_int, c_long};

use super::{check, pidfd_getfd};

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
