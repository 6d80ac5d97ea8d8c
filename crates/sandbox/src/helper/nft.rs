//! The packet filter rules that steer every TCP and UDP port to the simulator, as one netlink transaction
//! (what `nft -f` would send; the program itself is not needed).
//!
//! ```text
//! table inet filter { chain prerouting { type filter hook prerouting priority mangle;
//!   meta mark 0x5b accept                          # replies of the simulator itself
//!   ip daddr 127.0.0.0/8 accept; ip6 daddr ::1 accept; (the machine's own addresses) accept
//!   meta l4proto tcp socket transparent 1 accept   # packets of a connection already taken over
//!   meta nfproto ipv4 meta l4proto tcp tproxy ip to :TCP accept    (and udp, and both for ip6)
//! } }
//! ```

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::netlink::{Attributes, Message, Netlink};

/// Mark of packets that the simulator sends; without it its UDP answers would be steered back to it.
pub(super) const MARK: u32 = 0x5b;

/// Ports of the transparent sockets.
pub(super) struct Ports {
    pub(super) tcp4: u16,
    pub(super) udp4: u16,
    /// TCP and UDP over IPv6, where the kernel has it.
    pub(super) v6: Option<(u16, u16)>,
}

const TABLE: &[u8] = b"filter\0";
const CHAIN: &[u8] = b"prerouting\0";
const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const NEW_CHAIN: u16 = (SUBSYSTEM << 8) | 3;
const NEW_RULE: u16 = (SUBSYSTEM << 8) | 6;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const CREATE_ACK: u16 = 0x400 | 4;
const APPEND: u16 = 0x800;
const FAMILY_INET: u8 = 1;
const FAMILY_IPV4: u8 = 2;
const FAMILY_IPV6: u8 = 10;
const REGISTER: u32 = 1;
const REGISTER_VERDICT: u32 = 0;
const PRIORITY_MANGLE: i32 = -150;

/// Installs the rules into the network namespace of `netlink`.
pub(super) fn install(
    netlink: &Netlink,
    ports: &Ports,
    own4: Ipv4Addr,
    own6: Option<Ipv6Addr>,
) -> io::Result<()> {
    let mut rules = vec![
        vec![meta(3), equals(&MARK.to_ne_bytes())],
        vec![protocol(FAMILY_IPV4), payload(16, 1), equals(&[127])],
        vec![
            protocol(FAMILY_IPV4),
            payload(16, 4),
            equals(&own4.octets()),
        ],
        vec![
            protocol_of_transport(libc::IPPROTO_TCP),
            socket_is_transparent(),
            equals(&[1]),
        ],
    ];
    for own in own6.into_iter().chain([Ipv6Addr::LOCALHOST]) {
        rules.insert(
            2,
            vec![
                protocol(FAMILY_IPV6),
                payload(24, 16),
                equals(&own.octets()),
            ],
        );
    }
    let mut steered = vec![
        (FAMILY_IPV4, libc::IPPROTO_TCP, ports.tcp4),
        (FAMILY_IPV4, libc::IPPROTO_UDP, ports.udp4),
    ];
    if let Some((tcp, udp)) = ports.v6 {
        steered.push((FAMILY_IPV6, libc::IPPROTO_TCP, tcp));
        steered.push((FAMILY_IPV6, libc::IPPROTO_UDP, udp));
    }
    for (family, transport, port) in steered {
        rules.push(vec![
            protocol(family),
            protocol_of_transport(transport),
            immediate(REGISTER, data_value(&port.to_be_bytes())),
            tproxy(family),
        ]);
    }
    transact(netlink, &rules)
}

fn transact(netlink: &Netlink, rules: &[Vec<Vec<u8>>]) -> io::Result<()> {
    let header = [FAMILY_INET, 0, 0, 0];
    let batch = [0, 0, 0, SUBSYSTEM as u8];
    let mut bytes = Message::new(BATCH_BEGIN, 0, &batch).finish();
    bytes.extend(
        Message::new(NEW_TABLE, CREATE_ACK, &header)
            .attribute(1, TABLE)
            .finish(),
    );
    let hook = Attributes::default()
        .with(1, &0u32.to_be_bytes())
        .with(2, &PRIORITY_MANGLE.to_be_bytes());
    bytes.extend(
        Message::new(NEW_CHAIN, CREATE_ACK, &header)
            .attribute(1, TABLE)
            .attribute(3, CHAIN)
            .nested(4, hook.build())
            .attribute(7, b"filter\0")
            .finish(),
    );
    for rule in rules {
        let mut expressions: Vec<u8> = rule.concat();
        expressions.extend(accept());
        bytes.extend(
            Message::new(NEW_RULE, CREATE_ACK | APPEND, &header)
                .attribute(1, TABLE)
                .attribute(2, CHAIN)
                .nested(4, expressions)
                .finish(),
        );
    }
    bytes.extend(Message::new(BATCH_END, 0, &batch).finish());
    netlink.transact(&bytes, 2 + rules.len())
}

/// One element of a rule's expression list.
fn expression(name: &[u8], data: Attributes) -> Vec<u8> {
    Attributes::default()
        .nested(1, Attributes::default().with(1, name).nested(2, data))
        .build()
}

fn number(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

fn data_value(value: &[u8]) -> Attributes {
    Attributes::default().with(1, value)
}

fn meta(key: u32) -> Vec<u8> {
    let data = Attributes::default()
        .with(1, &number(REGISTER))
        .with(2, &number(key));
    expression(b"meta\0", data)
}

fn equals(value: &[u8]) -> Vec<u8> {
    let data = Attributes::default()
        .with(1, &number(REGISTER))
        .with(2, &number(0))
        .nested(3, data_value(value));
    expression(b"cmp\0", data)
}

fn protocol(family: u8) -> Vec<u8> {
    [meta(15), equals(&[family])].concat()
}

fn protocol_of_transport(protocol: i32) -> Vec<u8> {
    [meta(16), equals(&[protocol as u8])].concat()
}

/// Bytes of the network header.
fn payload(offset: u32, length: u32) -> Vec<u8> {
    let data = Attributes::default()
        .with(1, &number(REGISTER))
        .with(2, &number(1))
        .with(3, &number(offset))
        .with(4, &number(length));
    expression(b"payload\0", data)
}

fn socket_is_transparent() -> Vec<u8> {
    let data = Attributes::default()
        .with(1, &number(0))
        .with(2, &number(REGISTER));
    expression(b"socket\0", data)
}

fn immediate(register: u32, data: Attributes) -> Vec<u8> {
    let data = Attributes::default()
        .with(1, &number(register))
        .nested(2, data);
    expression(b"immediate\0", data)
}

fn tproxy(family: u8) -> Vec<u8> {
    let data = Attributes::default()
        .with(1, &number(u32::from(family)))
        .with(3, &number(REGISTER));
    expression(b"tproxy\0", data)
}

fn accept() -> Vec<u8> {
    let verdict = Attributes::default().with(1, &number(1));
    immediate(REGISTER_VERDICT, Attributes::default().nested(2, verdict))
}
