//! Calls on sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use apa_model::{EventKind, Hostile, Outcome};

use crate::log::Weight;
use crate::memory;
use crate::supervisor::{Answer, Call, Supervisor};

/// Bytes of the longest address.
const MAX_ADDRESS: usize = size_of::<libc::sockaddr_storage>();
/// Messages of one `sendmmsg` that are looked at; the kernel takes 1024.
const MAX_MESSAGES: u64 = 64;
/// Pieces of one message that are added up.
const MAX_PIECES: usize = 64;

/// `None`: not a call of this kind.
pub(crate) fn handle(supervisor: &mut Supervisor, call: &Call) -> Option<Answer> {
    match call.number {
        libc::SYS_socket => {
            let kind = EventKind::Socket {
                domain: domain_name(call.int(0)),
                kind: kind_name(call.int(1)),
            };
            supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Security);
        }
        libc::SYS_bind => {
            if let Some(address) = address(supervisor, call, call.args[1], call.args[2]) {
                let address = address.text;
                let kind = EventKind::Bind { address };
                supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Security);
            }
        }
        libc::SYS_listen => {
            supervisor.record(call, EventKind::Listen, Outcome::UNKNOWN, Weight::Security);
        }
        libc::SYS_accept | libc::SYS_accept4 => {
            supervisor.record(call, EventKind::Accept, Outcome::UNKNOWN, Weight::Change);
        }
        libc::SYS_connect => connect(supervisor, call),
        libc::SYS_sendto => {
            let target = address(supervisor, call, call.args[4], call.args[5]);
            send(supervisor, call, target, call.args[2]);
        }
        libc::SYS_sendmsg => message(supervisor, call, call.args[1]),
        libc::SYS_sendmmsg => messages(supervisor, call),
        _ => return None,
    }
    Some(Answer::Pass)
}

fn domain_name(domain: i32) -> String {
    match domain {
        libc::AF_INET => "inet".into(),
        libc::AF_INET6 => "inet6".into(),
        libc::AF_UNIX => "unix".into(),
        libc::AF_NETLINK => "netlink".into(),
        libc::AF_PACKET => "packet".into(),
        number => number.to_string(),
    }
}

fn kind_name(kind: i32) -> String {
    match kind & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) {
        libc::SOCK_STREAM => "stream".into(),
        libc::SOCK_DGRAM => "dgram".into(),
        libc::SOCK_RAW => "raw".into(),
        number => number.to_string(),
    }
}

/// An address as the sample gave it.
struct Address {
    text: Hostile,
    socket: Option<SocketAddr>,
}

/// Reads an address. `None`: the caller is gone.
fn address(supervisor: &Supervisor, call: &Call, pointer: u64, length: u64) -> Option<Address> {
    let length = u64::from(length as u32);
    let bytes = memory::up_to(&call.memory, pointer, length, MAX_ADDRESS).unwrap_or_default();
    supervisor.is_still(call).then(|| parse(&bytes))
}

fn parse(bytes: &[u8]) -> Address {
    let family = bytes.first_chunk::<2>().map_or(libc::AF_UNSPEC, |family| {
        i32::from(u16::from_ne_bytes(*family))
    });
    let port = bytes
        .get(2..4)
        .map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
    let ip: Option<IpAddr> = match family {
        libc::AF_INET => bytes
            .get(4..8)
            .and_then(|ip| <[u8; 4]>::try_from(ip).ok())
            .map(|ip| Ipv4Addr::from(ip).into()),
        libc::AF_INET6 => bytes
            .get(8..24)
            .and_then(|ip| <[u8; 16]>::try_from(ip).ok())
            .map(|ip| Ipv6Addr::from(ip).to_canonical()),
        _ => None,
    };
    let socket = ip.map(|ip| SocketAddr::new(ip, port));
    let text = match (family, socket) {
        (_, Some(socket)) => socket.to_string().into(),
        (libc::AF_UNIX, _) => local_name(bytes.get(2..).unwrap_or_default()),
        (libc::AF_UNSPEC, _) => "unspecified".into(),
        _ => domain_name(family).into(),
    };
    Address { text, socket }
}

fn local_name(name: &[u8]) -> Hostile {
    match name.first() {
        None => "unix:".into(),
        Some(0) => [b"unix:@", &name[1..]].concat().into(),
        Some(_) => {
            let end = name
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(name.len());
            [b"unix:", &name[..end]].concat().into()
        }
    }
}

fn connect(supervisor: &mut Supervisor, call: &Call) {
    let Some(address) = address(supervisor, call, call.args[1], call.args[2]) else {
        return;
    };
    remember(supervisor, call, &address);
    let kind = EventKind::Connect {
        address: address.text,
    };
    supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Security);
}

fn remember(supervisor: &Supervisor, call: &Call, address: &Address) {
    if let Some(socket) = address.socket {
        supervisor.shared.log().contact(call.caller.process, socket);
    }
}

fn send(supervisor: &mut Supervisor, call: &Call, target: Option<Address>, length: u64) {
    let Some(address) = target else {
        return;
    };
    remember(supervisor, call, &address);
    let kind = EventKind::Send {
        address: address.text,
        length,
    };
    supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Security);
}

/// One `msghdr`: name, length of the name, pieces, number of pieces.
fn message(supervisor: &mut Supervisor, call: &Call, pointer: u64) {
    let Some(header) = memory::bytes::<32>(&call.memory, pointer) else {
        return;
    };
    let name = memory::word(&header, 0);
    if name == 0 {
        return;
    }
    let length = memory::word(&header, 1);
    let pieces = memory::word(&header, 3).saturating_mul(16);
    let pieces = memory::up_to(
        &call.memory,
        memory::word(&header, 2),
        pieces,
        16 * MAX_PIECES,
    )
    .unwrap_or_default();
    let bytes = pieces.chunks_exact(16).fold(0u64, |sum, piece| {
        sum.saturating_add(memory::word(piece, 1))
    });
    let target = address(supervisor, call, name, length);
    send(supervisor, call, target, bytes);
}

fn messages(supervisor: &mut Supervisor, call: &Call) {
    /// Bytes of a `mmsghdr`.
    const STEP: u64 = 64;
    let count = u64::from(call.args[2] as u32);
    for index in 0..count.min(MAX_MESSAGES) {
        let pointer = call.args[1].wrapping_add(STEP * index);
        message(supervisor, call, pointer);
    }
    if count > MAX_MESSAGES {
        supervisor.shared.log().count("sendmmsg_beyond_64");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        parse(bytes).text.to_string()
    }

    #[test]
    fn addresses_are_written_as_people_write_them() {
        let v4 = [2, 0, 0x01, 0xbb, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(text(&v4), "192.0.2.7:443");
        let mut v6 = [0u8; 28];
        v6[0] = 10;
        v6[3] = 53;
        v6[8] = 0x20;
        v6[9] = 0x01;
        v6[23] = 1;
        assert_eq!(text(&v6), "[2001::1]:53");
        let mut mapped = [0u8; 28];
        mapped[0] = 10;
        mapped[3] = 80;
        mapped[18..24].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(text(&mapped), "192.0.2.1:80");
        assert_eq!(text(b"\x01\x00/run/x.sock\0junk"), "unix:/run/x.sock");
        assert_eq!(text(b"\x01\x00\0name"), "unix:@name");
        assert_eq!(text(b"\x10\x00\0\0"), "netlink");
        assert_eq!(text(b""), "unspecified");
        assert_eq!(text(b"\x02\x00\x01"), "inet");
    }
}
