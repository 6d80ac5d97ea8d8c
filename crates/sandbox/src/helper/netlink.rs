//! The few netlink messages a sandbox's network needs, built by hand: no external program, no start-up cost.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
    socket,
};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE_EXCL: u16 = 0x600;
const NLMSG_ERROR: u16 = 2;
const NESTED: u16 = 0x8000;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFF_UP: u32 = 1;

/// A netlink socket of the network namespace it was opened in, whatever the process does later.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    pub(super) fn route() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkRoute)
    }

    pub(super) fn netfilter() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkNetFilter)
    }

    fn open(protocol: SockProtocol) -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            protocol,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self(fd))
    }

    /// Sends messages and waits until `acks` of them are acknowledged; the first refusal is the error.
    pub(super) fn transact(&self, bytes: &[u8], acks: usize) -> io::Result<()> {
        sendto(
            self.0.as_raw_fd(),
            bytes,
            &NetlinkAddr::new(0, 0),
            MsgFlags::empty(),
        )?;
        let mut buffer = vec![0; 16 << 10];
        let mut seen = 0;
        while seen < acks {
            let length = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            let mut rest = &buffer[..length];
            while rest.len() >= 20 {
                let size = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
                let kind = u16::from_ne_bytes([rest[4], rest[5]]);
                if kind == NLMSG_ERROR {
                    let code = i32::from_ne_bytes([rest[16], rest[17], rest[18], rest[19]]);
                    if code != 0 {
                        return Err(io::Error::from_raw_os_error(-code));
                    }
                    seen += 1;
                }
                rest = rest
                    .get(size.max(20).next_multiple_of(4)..)
                    .unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// One message under construction.
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A message of a type with its fixed header.
    pub(super) fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = vec![0; 16];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend_from_slice(header);
        Self(bytes)
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        push_attribute(&mut self.0, kind, value);
        self
    }

    pub(super) fn nested(self, kind: u16, attributes: Vec<u8>) -> Self {
        self.attribute(kind | NESTED, &attributes)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() as u32).to_ne_bytes();
        self.0[..4].copy_from_slice(&length);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.0
    }
}

/// Attributes in a row.
#[derive(Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        push_attribute(&mut self.0, kind, value);
        self
    }

    pub(super) fn nested(self, kind: u16, inner: Self) -> Self {
        self.with(kind | NESTED, &inner.0)
    }

    pub(super) fn build(self) -> Vec<u8> {
        self.0
    }
}

fn push_attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend_from_slice(&(value.len() as u16 + 4).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// `struct ifinfomsg`.
fn link_header(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut header = vec![0; 4];
    for field in [index, flags, change] {
        header.extend_from_slice(&field.to_ne_bytes());
    }
    header
}

fn zero_ended(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Makes a pair of Ethernet links: `name` here, its other end, of the same name, in the namespace `peer`.
pub(super) fn create_pair(
    netlink: &Netlink,
    name: &str,
    mac: [u8; 6],
    peer: &OwnedFd,
) -> io::Result<()> {
    const IFLA_ADDRESS: u16 = 1;
    const IFLA_IFNAME: u16 = 3;
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_NET_NS_FD: u16 = 28;
    const INFO_KIND: u16 = 1;
    const INFO_DATA: u16 = 2;
    const VETH_INFO_PEER: u16 = 1;
    let mut other = link_header(0, 0, 0);
    other.extend(
        Attributes::default()
            .with(IFLA_IFNAME, &zero_ended(name))
            .with(IFLA_NET_NS_FD, &(peer.as_raw_fd() as u32).to_ne_bytes())
            .build(),
    );
    let info = Attributes::default().with(INFO_KIND, b"veth").nested(
        INFO_DATA,
        Attributes::default().with(VETH_INFO_PEER | NESTED, &other),
    );
    let message = Message::new(
        RTM_NEWLINK,
        NLM_F_ACK | NLM_F_CREATE_EXCL,
        &link_header(0, 0, 0),
    )
    .attribute(IFLA_IFNAME, &zero_ended(name))
    .attribute(IFLA_ADDRESS, &mac)
    .nested(IFLA_LINKINFO, info.build());
    netlink.transact(&message.finish(), 1)
}

/// Sets a link up.
pub(super) fn set_up(netlink: &Netlink, index: u32) -> io::Result<()> {
    let message = Message::new(RTM_NEWLINK, NLM_F_ACK, &link_header(index, IFF_UP, IFF_UP));
    netlink.transact(&message.finish(), 1)
}

fn octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (libc::AF_INET as u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6 as u8, v6.octets().to_vec()),
    }
}

/// Gives a link an address, usable at once (no duplicate detection).
pub(super) fn add_address(
    netlink: &Netlink,
    index: u32,
    address: IpAddr,
    prefix: u8,
) -> io::Result<()> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const IFA_F_NODAD: u8 = 2;
    let (family, bytes) = octets(address);
    let mut header = vec![family, prefix, IFA_F_NODAD, 0];
    header.extend_from_slice(&index.to_ne_bytes());
    let message = Message::new(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE_EXCL, &header)
        .attribute(IFA_LOCAL, &bytes)
        .attribute(IFA_ADDRESS, &bytes);
    netlink.transact(&message.finish(), 1)
}

/// Where packets for some addresses go.
pub(super) enum Route {
    /// All addresses (or those of a network of that length) are this machine's own; connections leave from `source`.
    Local {
        source: IpAddr,
        network: Option<(IpAddr, u8)>,
    },
    /// All go by a neighbour. Never used (local routes come first); there for who lists the routes.
    Via { gateway: IpAddr },
}

/// Adds a route by link `index`.
pub(super) fn add_route(netlink: &Netlink, index: u32, route: &Route) -> io::Result<()> {
    const RTA_DST: u16 = 1;
    const RTA_OIF: u16 = 4;
    const RTA_GATEWAY: u16 = 5;
    const RTA_PREFSRC: u16 = 7;
    const TABLE_MAIN: u8 = 254;
    const TABLE_LOCAL: u8 = 255;
    const PROTO_BOOT: u8 = 3;
    const SCOPE_HOST: u8 = 254;
    const SCOPE_UNIVERSE: u8 = 0;
    const RTN_UNICAST: u8 = 1;
    const RTN_LOCAL: u8 = 2;
    let (address, table, scope, kind, attribute, network) = match *route {
        Route::Local { source, network } => (
            source,
            TABLE_LOCAL,
            SCOPE_HOST,
            RTN_LOCAL,
            RTA_PREFSRC,
            network,
        ),
        Route::Via { gateway } => (
            gateway,
            TABLE_MAIN,
            SCOPE_UNIVERSE,
            RTN_UNICAST,
            RTA_GATEWAY,
            None,
        ),
    };
    let (family, bytes) = octets(address);
    let prefix = network.map_or(0, |(_, prefix)| prefix);
    let mut header = vec![family, prefix, 0, 0, table, PROTO_BOOT, scope, kind];
    header.extend_from_slice(&0u32.to_ne_bytes());
    let mut message = Message::new(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE_EXCL, &header)
        .attribute(RTA_OIF, &index.to_ne_bytes())
        .attribute(attribute, &bytes);
    if let Some((network, _)) = network {
        message = message.attribute(RTA_DST, &octets(network).1);
    }
    netlink.transact(&message.finish(), 1)
}
