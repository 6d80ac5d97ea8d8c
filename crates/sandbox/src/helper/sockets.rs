//! The sandbox's network: links, addresses, routes, and the sockets that everything is steered to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Socket, Type};

use super::netlink::{self, Netlink};
use super::{Failure, Step, nft};
use crate::kernel::enable;

/// The machine's address; `eth0` of a common virtual network.
const SOURCE4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const NETWORK4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 0);
const GATEWAY4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const SOURCE6: Ipv6Addr = Ipv6Addr::new(0xfd17, 0x625c, 0xf037, 2, 0, 0, 0, 0x15);
const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfd17, 0x625c, 0xf037, 2, 0, 0, 0, 2);
/// What `resolv.conf` names.
pub(crate) const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
const LOOPBACK: u32 = 1;
const LINK: &str = "eth0";
const BACKLOG: i32 = 1024;

/// The network namespace that holds the far end of `eth0`, so that the sample sees one link and no pair.
pub(super) struct FarEnd {
    namespace: OwnedFd,
    netlink: Netlink,
}

/// Moves this process into a fresh network namespace with a far end beside it.
pub(super) fn enter() -> Result<FarEnd, Failure> {
    unshare(CloneFlags::CLONE_NEWNET).step("make a network namespace")?;
    let namespace = std::fs::File::open("/proc/self/ns/net").step("open the network namespace")?;
    let netlink = Netlink::route().step("open a netlink socket")?;
    unshare(CloneFlags::CLONE_NEWNET).step("make a second network namespace")?;
    Ok(FarEnd {
        namespace: namespace.into(),
        netlink,
    })
}

/// Descriptors for `apa`: tcp4, udp4, gateway, then tcp6 and udp6 where the kernel has IPv6.
pub(super) struct Sockets {
    pub(super) fds: Vec<OwnedFd>,
    pub(super) v6: bool,
}

/// Sets up links, addresses, routes, sockets and rules of the current network namespace.
pub(super) fn build(far: &FarEnd, mac: [u8; 6]) -> Result<Sockets, Failure> {
    let route = Netlink::route().step("open a netlink socket")?;
    netlink::set_up(&route, LOOPBACK).step("set the loopback link up")?;
    let v6 = std::path::Path::new("/proc/net/if_inet6").exists();
    link(&route, far, mac, v6)?;
    routes(&route, v6)?;

    let tcp4 = transparent(Domain::IPV4, Type::STREAM).step("make the TCP socket")?;
    let udp4 = transparent(Domain::IPV4, Type::DGRAM).step("make the UDP socket")?;
    let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).step("make the gateway's socket")?;
    let mut ports = nft::Ports {
        tcp4: port(&tcp4)?,
        udp4: port(&udp4)?,
        v6: None,
    };
    let mut fds: Vec<OwnedFd> = vec![tcp4.into(), udp4.into(), gateway.into()];
    if v6 {
        let tcp6 = transparent(Domain::IPV6, Type::STREAM).step("make the TCP socket for IPv6")?;
        let udp6 = transparent(Domain::IPV6, Type::DGRAM).step("make the UDP socket for IPv6")?;
        ports.v6 = Some((port(&tcp6)?, port(&udp6)?));
        fds.extend([OwnedFd::from(tcp6), OwnedFd::from(udp6)]);
    }
    let filter = Netlink::netfilter().step("open a netfilter socket")?;
    nft::install(&filter, &ports, SOURCE4, v6.then_some(SOURCE6))
        .step("install the packet filter rules (kernel: NF_TABLES, NFT_TPROXY, NFT_SOCKET)")?;
    Ok(Sockets { fds, v6 })
}

/// `eth0` with its addresses; where the kernel has no veth, the addresses go to the loopback link.
fn link(route: &Netlink, far: &FarEnd, mac: [u8; 6], v6: bool) -> Result<(), Failure> {
    let made = netlink::create_pair(route, LINK, mac, &far.namespace);
    let index = match made {
        Ok(()) => nix::net::if_::if_nametoindex(LINK).step("find eth0")?,
        Err(_) => LOOPBACK,
    };
    netlink::add_address(route, index, IpAddr::V4(SOURCE4), 24).step("add the IPv4 address")?;
    if v6 {
        netlink::add_address(route, index, IpAddr::V6(SOURCE6), 64).step("add the IPv6 address")?;
    }
    if index != LOOPBACK {
        // The far end is the first link made there after the loopback one.
        netlink::set_up(&far.netlink, LOOPBACK + 1).step("set the far end up")?;
        netlink::set_up(route, index).step("set eth0 up")?;
        let gateways = [IpAddr::V4(GATEWAY4)]
            .into_iter()
            .chain(v6.then_some(IpAddr::V6(GATEWAY6)));
        for gateway in gateways {
            let via = netlink::Route::Via { gateway };
            netlink::add_route(route, index, &via).step("add the default route")?;
        }
    }
    Ok(())
}

/// Every address is local: whatever the sample connects to, it reaches this namespace. The link's own network is said
/// again, because the kernel keeps local and main routes in one table, where the longer prefix wins.
fn routes(route: &Netlink, v6: bool) -> Result<(), Failure> {
    let own = Some((IpAddr::V4(NETWORK4), 24));
    let everything = [IpAddr::V4(SOURCE4)]
        .into_iter()
        .chain(v6.then_some(IpAddr::V6(SOURCE6)));
    let networks = everything
        .map(|source| (source, None))
        .chain([(IpAddr::V4(SOURCE4), own)]);
    for (source, network) in networks {
        netlink::add_route(route, LOOPBACK, &netlink::Route::Local { source, network })
            .step("add the local routes")?;
    }
    Ok(())
}

fn port(socket: &Socket) -> Result<u16, Failure> {
    let address = socket.local_addr().step("read a socket's port")?;
    address
        .as_socket()
        .map(|address| address.port())
        .ok_or_else(|| Failure::new("a socket without a port"))
}

/// A socket that takes packets for any address, bound to a port of the kernel's choice.
fn transparent(domain: Domain, kind: Type) -> io::Result<Socket> {
    let socket = marked(domain, kind)?;
    let any: SocketAddr = if domain == Domain::IPV6 {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    };
    if kind == Type::DGRAM {
        let (level, option) = if domain == Domain::IPV6 {
            (libc::SOL_IPV6, libc::IPV6_RECVORIGDSTADDR)
        } else {
            (libc::SOL_IP, libc::IP_RECVORIGDSTADDR)
        };
        enable(&socket, level, option)?;
    }
    socket.bind(&any.into())?;
    if kind == Type::STREAM {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

/// A UDP socket that answers in the name of `address`.
pub(super) fn answer_from(address: SocketAddr) -> io::Result<Socket> {
    let domain = if address.is_ipv6() {
        Domain::IPV6
    } else {
        Domain::IPV4
    };
    let socket = marked(domain, Type::DGRAM)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn marked(domain: Domain, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, None)?;
    socket.set_mark(nft::MARK)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(true)?;
        enable(&socket, libc::SOL_IPV6, libc::IPV6_TRANSPARENT)?;
    } else {
        enable(&socket, libc::SOL_IP, libc::IP_TRANSPARENT)?;
    }
    Ok(socket)
}
