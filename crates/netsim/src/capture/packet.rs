//! IP packets with TCP segments and UDP datagrams in them.

use std::net::{IpAddr, SocketAddr};

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 1;
const SYN: u8 = 2;
const PUSH: u8 = 8;
const ACK: u8 = 16;

/// One side of a connection.
struct Side {
    address: SocketAddr,
    /// Number of its next byte.
    next: u32,
}

/// A TCP connection that is made up.
pub(super) struct Conversation {
    client: Side,
    server: Side,
}

impl Conversation {
    pub(super) fn new(client: SocketAddr, server: SocketAddr) -> Self {
        let side = |address, next| Side { address, next };
        Self {
            client: side(client, 1000),
            server: side(server, 2000),
        }
    }

    /// The three packets of its beginning.
    pub(super) fn open(&mut self) -> [Vec<u8>; 3] {
        let syn = segment(&self.client, &self.server, SYN, &[]);
        self.client.next += 1;
        let agreed = segment(&self.server, &self.client, SYN | ACK, &[]);
        self.server.next += 1;
        let done = segment(&self.client, &self.server, ACK, &[]);
        [syn, agreed, done]
    }

    /// A packet with data.
    pub(super) fn data(&mut self, outward: bool, bytes: &[u8]) -> Vec<u8> {
        let (from, to) = match outward {
            true => (&mut self.client, &self.server),
            false => (&mut self.server, &self.client),
        };
        let packet = segment(from, to, PUSH | ACK, bytes);
        from.next = from.next.wrapping_add(bytes.len() as u32);
        packet
    }

    /// The packets of its end.
    pub(super) fn close(&mut self) -> [Vec<u8>; 3] {
        let bye = segment(&self.client, &self.server, FIN | ACK, &[]);
        self.client.next = self.client.next.wrapping_add(1);
        let too = segment(&self.server, &self.client, FIN | ACK, &[]);
        self.server.next = self.server.next.wrapping_add(1);
        [bye, too, segment(&self.client, &self.server, ACK, &[])]
    }
}

fn segment(from: &Side, to: &Side, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(20 + data.len());
    out.extend_from_slice(&from.address.port().to_be_bytes());
    out.extend_from_slice(&to.address.port().to_be_bytes());
    out.extend_from_slice(&from.next.to_be_bytes());
    let seen = if flags & ACK == 0 { 0 } else { to.next };
    out.extend_from_slice(&seen.to_be_bytes());
    out.extend_from_slice(&[5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend_from_slice(data);
    in_ip(from.address.ip(), to.address.ip(), TCP, 16, out)
}

/// A packet with one datagram; what does not fit into one is cut.
pub(super) fn datagram(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let data = &data[..data.len().min(65_000)];
    let mut out = Vec::with_capacity(8 + data.len());
    out.extend_from_slice(&from.port().to_be_bytes());
    out.extend_from_slice(&to.port().to_be_bytes());
    out.extend_from_slice(&(8 + data.len() as u16).to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(data);
    in_ip(from.ip(), to.ip(), UDP, 6, out)
}

/// Puts an IP header before it and its checksum where it belongs. Both addresses are of one family.
fn in_ip(
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    checksum_at: usize,
    mut inner: Vec<u8>,
) -> Vec<u8> {
    let length = inner.len();
    let (from, to) = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (from.octets().to_vec(), to.octets().to_vec()),
        (from, to) => (wide(from), wide(to)),
    };
    let mut pseudo = [from.as_slice(), &to].concat();
    pseudo.extend_from_slice(&(length as u32).to_be_bytes());
    pseudo.extend_from_slice(&[0, 0, 0, protocol]);
    let sum = match checksum(&[&pseudo, &inner]) {
        0 => 0xffff,
        sum => sum,
    };
    inner[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
    let mut out = Vec::with_capacity(40 + length);
    if from.len() == 4 {
        out.extend_from_slice(&[0x45, 0]);
        out.extend_from_slice(&((20 + length) as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
        out.extend_from_slice(&from);
        out.extend_from_slice(&to);
        let sum = checksum(&[&out]);
        out[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        out.extend_from_slice(&[0x60, 0, 0, 0]);
        out.extend_from_slice(&(length as u16).to_be_bytes());
        out.extend_from_slice(&[protocol, 64]);
        out.extend_from_slice(&from);
        out.extend_from_slice(&to);
    }
    out.extend_from_slice(&inner);
    out
}

fn wide(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The Internet checksum. All parts but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u64 = words
        .map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_right() {
        let from: SocketAddr = ([10, 0, 2, 15], 4000).into();
        let to: SocketAddr = ([192, 0, 2, 1], 80).into();
        let packet = datagram(from, to, b"odd");
        assert_eq!(checksum(&[&packet[..20]]), 0);
        let mut pseudo = packet[12..20].to_vec();
        pseudo.extend_from_slice(&11_u32.to_be_bytes());
        pseudo.extend_from_slice(&[0, 0, 0, UDP]);
        assert_eq!(checksum(&[&pseudo, &packet[20..]]), 0);
    }
}
