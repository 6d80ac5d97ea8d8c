//! QUIC as far as the name of the server; then the client is told that no version of it is spoken here, so that it
//! falls back to TCP.

use apa_model::Protocol;
use rustls::Side;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{Keys, Version};

use super::datagram::{Call, Heard};

/// Bytes of an identifier of a connection.
const IDENTIFIER: usize = 20;
/// Frames looked at in one packet, and bytes of a hello put together.
const FRAMES: usize = 64;
const HELLO: usize = 4096;

/// Answers the first packet of a connection; `None` for any other datagram.
pub(crate) fn hear(call: Call<'_>) -> Option<Heard> {
    // A connection starts with a datagram of at least 1,200 bytes.
    let packet = (call.bytes.len() >= 1200)
        .then(|| Packet::parse(call.bytes))
        .flatten()?;
    let name = packet.hello().as_deref().and_then(server_name);
    let summary = [b"Initial ", name.as_deref().unwrap_or_default()].concat();
    let mut heard = Heard::new("quic", Protocol::Quic, &summary, "version refused");
    heard.replies.push(packet.refusal());
    heard.sni = name;
    heard.held = false;
    Some(heard)
}

/// A first packet, still protected.
struct Packet<'p> {
    version: Version,
    destination: &'p [u8],
    source: &'p [u8],
    /// All of it, and where its number starts and its content ends.
    bytes: &'p [u8],
    number_at: usize,
    end: usize,
}

impl<'p> Packet<'p> {
    fn parse(bytes: &'p [u8]) -> Option<Self> {
        let version = match bytes.get(1..5)? {
            [0, 0, 0, 1] => Version::V1,
            [0x6b, 0x33, 0x43, 0xcf] => Version::V2,
            _ => return None,
        };
        // A long header, and the kind of a first packet, which differs by version.
        let kind = match version {
            Version::V2 => 0xd0,
            _ => 0xc0,
        };
        if bytes.first()? & 0xf0 != kind {
            return None;
        }
        let mut at = 5;
        let destination = identifier(bytes, &mut at)?;
        let source = identifier(bytes, &mut at)?;
        let token = varint(bytes, &mut at)?;
        at = at.checked_add(token)?;
        let length = varint(bytes, &mut at)?;
        let end = at.checked_add(length).filter(|end| *end <= bytes.len())?;
        Some(Self {
            version,
            destination,
            source,
            bytes,
            number_at: at,
            end,
        })
    }

    /// The client's hello, as far as this packet has it.
    fn hello(&self) -> Option<Vec<u8>> {
        let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
        let keys = Keys::initial(
            self.version,
            suite,
            suite.quic?,
            self.destination,
            Side::Server,
        )
        .remote;
        let mut packet = self.bytes[..self.end].to_vec();
        let sample = self
            .bytes
            .get(self.number_at + 4..self.number_at + 4 + keys.header.sample_len())?
            .to_vec();
        let (first, rest) = packet.split_first_mut()?;
        let number = rest.get_mut(self.number_at - 1..self.number_at + 3)?;
        keys.header.decrypt_in_place(&sample, first, number).ok()?;
        let length = usize::from(packet[0] & 3) + 1;
        let start = self.number_at + length;
        let number = packet[self.number_at..start]
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (header, content) = packet.split_at_mut(start);
        let content = keys.packet.decrypt_in_place(number, header, content).ok()?;
        Some(gathered(content))
    }

    /// Names a version that nobody speaks.
    fn refusal(&self) -> Vec<u8> {
        let mut out = vec![0x80, 0, 0, 0, 0];
        for identifier in [self.source, self.destination] {
            out.push(u8::try_from(identifier.len()).unwrap_or(0));
            out.extend_from_slice(identifier);
        }
        out.extend_from_slice(&[0x1a, 0x2a, 0x3a, 0x4a]);
        out
    }
}

fn identifier<'p>(bytes: &'p [u8], at: &mut usize) -> Option<&'p [u8]> {
    let length = usize::from(*bytes.get(*at)?);
    let found = bytes
        .get(*at + 1..*at + 1 + length)
        .filter(|_| length <= IDENTIFIER)?;
    *at += 1 + length;
    Some(found)
}

/// A number whose first two bits say its length.
fn varint(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let first = *bytes.get(*at)?;
    let length = 1_usize << (first >> 6);
    let digits = bytes.get(*at..*at + length)?;
    *at += length;
    let value = digits[1..]
        .iter()
        .fold(u64::from(first & 0x3f), |value, byte| {
            value << 8 | u64::from(*byte)
        });
    usize::try_from(value).ok()
}

/// What the frames of a packet carry of the handshake, in its place; clients mix its pieces on purpose.
fn gathered(content: &[u8]) -> Vec<u8> {
    let mut hello = Vec::new();
    let mut at = 0;
    for _ in 0..FRAMES {
        // Padding.
        at += content[at..].iter().take_while(|byte| **byte == 0).count();
        match content.get(at) {
            // A ping.
            Some(1) => at += 1,
            Some(6) => {
                at += 1;
                let (Some(offset), Some(length)) =
                    (varint(content, &mut at), varint(content, &mut at))
                else {
                    break;
                };
                let end = at.saturating_add(length).min(content.len());
                let Some(last) = offset.checked_add(end - at).filter(|last| *last <= HELLO) else {
                    break;
                };
                hello.resize(hello.len().max(last), 0);
                hello[offset..last].copy_from_slice(&content[at..end]);
                at = end;
            }
            _ => break,
        }
    }
    hello
}

/// The server name in a hello, which may be cut.
fn server_name(hello: &[u8]) -> Option<Vec<u8>> {
    // Kind and length, version, random.
    let mut rest = hello.strip_prefix(&[1])?.get(37..)?;
    for width in [1, 2, 1] {
        // Session, suites, compression.
        rest = counted(rest, width)?.1;
    }
    rest = rest.get(2..)?;
    loop {
        let (kind, after) = rest.split_first_chunk::<2>()?;
        let (content, after) = counted(after, 2)?;
        if kind == &[0, 0] {
            // A list of names, of which the first is the host's.
            let name = content.get(2..)?.strip_prefix(&[0])?;
            return Some(counted(name, 2)?.0.to_vec());
        }
        rest = after;
    }
}

/// Bytes whose length comes first, in so many bytes.
fn counted(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(width)?;
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A hello with one extension, the server's name.
    fn hello(name: &[u8]) -> Vec<u8> {
        let length = u8::try_from(name.len()).unwrap();
        let mut extension = vec![0, 0, 0, length + 5, 0, length + 3, 0, 0, length];
        extension.extend_from_slice(name);
        let mut body = [
            &[3, 3][..],
            &[9; 32],
            &[0, 0, 2, 0x13, 1, 1, 0, 0],
            &[u8::try_from(extension.len()).unwrap()],
        ]
        .concat();
        body.extend(extension);
        [&[1, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat()
    }

    /// A first packet as a client protects it.
    fn packet(version: Version, name: &[u8]) -> Vec<u8> {
        let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        let identifier = b"\x83\x94\xc8\xf0\x3e\x51\x57\x08";
        let keys = Keys::initial(
            version,
            suite,
            suite.quic.unwrap(),
            identifier,
            Side::Client,
        )
        .local;
        let (first, number): (u8, &[u8]) = match version {
            Version::V2 => (0xd3, &[0x6b, 0x33, 0x43, 0xcf]),
            _ => (0xc3, &[0, 0, 0, 1]),
        };
        // Two pieces of the hello, the second one first, and padding.
        let hello = hello(name);
        let (one, two) = hello.split_at(20);
        let frame = |offset: u8, piece: &[u8]| {
            [&[6, offset, u8::try_from(piece.len()).unwrap()], piece].concat()
        };
        let mut content = [frame(20, two), vec![1], frame(0, one)].concat();
        content.resize(1162, 0);
        let length = u16::try_from(4 + content.len() + 16).unwrap() | 0x4000;
        let mut packet = [
            &[first],
            number,
            &[8],
            identifier,
            &[2, 7, 7, 0],
            &length.to_be_bytes(),
            &[0, 0, 0, 2],
        ]
        .concat();
        let number_at = packet.len() - 4;
        let tag = keys
            .packet
            .encrypt_in_place(2, &packet.clone(), &mut content)
            .unwrap();
        packet.extend(content);
        packet.extend_from_slice(tag.as_ref());
        let sample = packet[number_at + 4..number_at + 20].to_vec();
        let (first, rest) = packet.split_first_mut().unwrap();
        keys.header
            .encrypt_in_place(&sample, first, &mut rest[number_at - 1..number_at + 3])
            .unwrap();
        packet
    }

    fn heard(bytes: &[u8]) -> Option<Heard> {
        let any = "192.0.2.1:443".parse().unwrap();
        hear(Call {
            bytes,
            source: any,
            destination: any,
            port: 443,
        })
    }

    #[test]
    fn the_name_is_read_and_no_version_agreed_on() {
        for version in [Version::V1, Version::V2] {
            let heard = heard(&packet(version, b"quic.example")).unwrap();
            assert_eq!(heard.sni.as_deref(), Some(&b"quic.example"[..]));
            let reply = &heard.replies[0];
            assert_eq!(reply[..8], [0x80, 0, 0, 0, 0, 2, 7, 7]);
            assert!(reply.ends_with(&[0x1a, 0x2a, 0x3a, 0x4a]));
        }
    }

    #[test]
    fn what_is_no_first_packet_is_left_alone() {
        assert!(heard(b"\xc3\0\0\0\x01").is_none());
        assert!(heard(&[0xff; 1300]).is_none());
        let mut broken = packet(Version::V1, b"quic.example");
        broken[60] ^= 1;
        assert_eq!(heard(&broken).unwrap().sni, None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0_usize..1200, byte: u8) {
            server_name(&bytes);
            server_name(&[&[1][..], &bytes].concat());
            gathered(&bytes);
            gathered(&[&[6][..], &bytes].concat());
            let mut packet = packet(Version::V1, b"a.test");
            packet[at] = byte;
            heard(&packet);
        }
    }
}
