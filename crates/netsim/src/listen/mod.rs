//! Takes what the sandbox sends.

mod tcp;
mod udp;

use std::net::SocketAddr;

pub(crate) use tcp::{expect, listen as tcp};
pub(crate) use udp::{Datagrams, listen as udp};

/// An IPv4 address as such, also where an IPv6 socket shows it mapped.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
