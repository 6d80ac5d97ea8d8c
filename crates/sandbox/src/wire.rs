//! Typed messages with descriptors over `SOCK_SEQPACKET`, between `apa` and its helpers.

use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, setsockopt, socketpair, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kernel::received;

/// Bodies up to this many bytes travel in the message, larger ones in a memory file sent with it.
const INLINE: usize = 32 << 10;
/// A body larger than this is refused: a command with so large an environment cannot be started anyway.
const MAX_BODY: u64 = 16 << 20;
pub(crate) const MAX_FDS: usize = 32;

/// One end of a channel.
pub(crate) struct Wire(OwnedFd);

/// A received message.
pub(crate) struct Received<T> {
    pub(crate) body: T,
    pub(crate) fds: Vec<OwnedFd>,
    /// Sender's pid as this process sees it; only on ends made with [`Wire::with_sender_pids`].
    pub(crate) pid: Option<i32>,
}

/// A connected pair of close-on-exec message sockets.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?)
}

impl Wire {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Asks the kernel to attach the sender's pid, translated into this process's pid namespace.
    pub(crate) fn with_sender_pids(fd: OwnedFd) -> io::Result<Self> {
        setsockopt(&fd, sockopt::PassCred, &true)?;
        Ok(Self(fd))
    }

    pub(crate) fn send<T: Serialize>(&self, body: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let json = serde_json::to_vec(body).map_err(io::Error::other)?;
        let mut raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let mut message = Vec::with_capacity(1 + json.len().min(INLINE));
        let carrier;
        if json.len() <= INLINE {
            message.push(0);
            message.extend_from_slice(&json);
        } else {
            carrier = memory_file(&json)?;
            message.push(1);
            raw.insert(0, carrier.as_raw_fd());
        }
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
        loop {
            let sent = sendmsg::<()>(
                self.0.as_raw_fd(),
                &[IoSlice::new(&message)],
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            );
            match sent {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// `None` when the other end is closed.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<Received<T>>> {
        let mut buffer = vec![0; INLINE + 1];
        let Some((length, mut fds, pid)) = receive_raw(self.0.as_fd(), &mut buffer)? else {
            return Ok(None);
        };
        let body = match buffer[..length].split_first() {
            Some((0, json)) => serde_json::from_slice(json),
            Some((1, _)) if !fds.is_empty() => {
                serde_json::from_slice(&read_memory_file(fds.remove(0))?)
            }
            _ => return Err(io::Error::other("malformed message")),
        };
        Ok(Some(Received {
            body: body.map_err(io::Error::other)?,
            fds,
            pid,
        }))
    }
}

impl From<Wire> for OwnedFd {
    fn from(wire: Wire) -> Self {
        wire.0
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

type Raw = (usize, Vec<OwnedFd>, Option<i32>);

/// One message as it came: length, descriptors, sender. `None` at the end.
pub(crate) fn receive_raw(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Raw>> {
    let mut space = nix::cmsg_space!([RawFd; MAX_FDS], libc::ucred);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = loop {
        match recvmsg::<()>(
            fd.as_raw_fd(),
            &mut slices,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        ) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    let (mut fds, mut pid) = (Vec::new(), None);
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::ScmRights(rights) => fds.extend(received(rights)),
            ControlMessageOwned::ScmCredentials(sender) => pid = Some(sender.pid()),
            _ => {}
        }
    }
    let length = message.bytes;
    Ok((length > 0).then_some((length, fds, pid)))
}

/// A file in memory that holds `bytes`, read position at the start.
pub(crate) fn memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = nix::sys::memfd::memfd_create("data", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

fn read_memory_file(fd: OwnedFd) -> io::Result<Vec<u8>> {
    let file = std::fs::File::from(fd);
    let length = file.metadata()?.len();
    if length > MAX_BODY {
        return Err(io::Error::other("message too large"));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_any_size_and_descriptors_arrive() {
        let (a, b) = pair().unwrap();
        let (a, b) = (Wire::new(a), Wire::with_sender_pids(b).unwrap());
        for size in [0, 10, INLINE, 5 * INLINE] {
            let body = "x".repeat(size);
            let file = memory_file(b"inside").unwrap();
            a.send(&body, &[file.as_fd()]).unwrap();
            let got = b.receive::<String>().unwrap().unwrap();
            assert_eq!(got.body, body);
            assert_eq!(got.pid, Some(std::process::id() as i32));
            assert_eq!(
                read_memory_file(got.fds.into_iter().next().unwrap()).unwrap(),
                b"inside"
            );
        }
        drop(a);
        assert!(b.receive::<String>().unwrap().is_none());
    }
}
