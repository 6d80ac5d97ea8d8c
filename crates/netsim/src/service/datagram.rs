//! What is answered to datagrams that are no name service's.

use std::net::SocketAddr;
use std::sync::Arc;

use apa_model::{FlowMessage, Hostile, Protocol};

use super::{quic, small, tftp};
use crate::Clock;
use crate::record::Held;
use crate::shared::Shared;

/// Bytes of a datagram shown in its summary.
const SHOWN: usize = 120;
/// Seconds from 1900 to 1970.
pub(super) const CENTURY: i64 = 2_208_988_800;

/// One datagram, and whose it is.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// The port whose services are expected there.
    pub(crate) port: u16,
}

/// What became of it.
pub(crate) struct Heard {
    pub(crate) layer: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) replies: Vec<Vec<u8>>,
    /// For the flow's record.
    pub(crate) message: Option<FlowMessage>,
    /// The message's body.
    pub(crate) body: Option<Held>,
    /// The name of the server that the client meant, where it said it.
    pub(crate) sni: Option<Vec<u8>>,
    /// The bytes are kept with those of the conversation's other datagrams.
    pub(crate) held: bool,
}

impl Heard {
    /// Of a service, with a line for the record.
    pub(super) fn new(
        layer: &'static str,
        protocol: Protocol,
        summary: &[u8],
        answer: &str,
    ) -> Self {
        Self {
            layer,
            protocol,
            replies: Vec::new(),
            message: Some(message(summary, 0, answer)),
            body: None,
            sni: None,
            held: true,
        }
    }
}

/// A line for the record.
pub(crate) fn message(summary: &[u8], body_bytes: u64, answer: &str) -> FlowMessage {
    FlowMessage {
        summary: Hostile::from(summary).shortened(SHOWN),
        headers: Vec::new(),
        body: None,
        body_bytes,
        answer: answer.into(),
    }
}

/// Answers one datagram by its port and its first bytes.
pub(crate) fn hear(call: Call<'_>, shared: &Arc<Shared>) -> Heard {
    if let Some(heard) = tftp::hear(call, shared)
        .or_else(|| quic::hear(call))
        .or_else(|| ntp(call, shared.config.clock))
    {
        return heard;
    }
    match small::datagram(call.bytes, call.port, shared.config.clock.now()) {
        Some((name, reply)) => {
            let protocol = if name == "syslog" {
                Protocol::Syslog
            } else {
                Protocol::Simple
            };
            let mut heard = Heard::new(name, protocol, call.bytes, "");
            heard.replies.extend(reply);
            heard
        }
        None => unanswered(call.bytes),
    }
}

/// A datagram that is only taken in.
pub(crate) fn unanswered(bytes: &[u8]) -> Heard {
    let mut heard = Heard::new("raw", Protocol::Raw, bytes, "");
    heard.message = Some(message(bytes, bytes.len() as u64, ""));
    heard
}

/// The time, to whoever asks for it.
fn ntp(call: Call<'_>, clock: Clock) -> Option<Heard> {
    // A request is 48 bytes or more, of version 1 to 4, from a client.
    let first = *call
        .bytes
        .first()
        .filter(|_| call.port == 123 && call.bytes.len() >= 48)?;
    let version = first >> 3 & 7;
    if first & 7 != 3 || !(1..=4).contains(&version) {
        return None;
    }
    let now = clock.now();
    let seconds = u32::try_from((now.unix_timestamp() + CENTURY) & 0xffff_ffff).ok()?;
    let fraction = u32::try_from((u64::from(now.nanosecond()) << 32) / 1_000_000_000).ok()?;
    let stamp = [seconds.to_be_bytes(), fraction.to_be_bytes()].concat();
    // No warning, this version, a server; stratum 2, a poll of 64 s, a precision of 2^-23 s.
    let mut reply = vec![version << 3 | 4, 2, 6, 0xe9];
    reply.extend_from_slice(&[0, 0, 1, 0x20, 0, 0, 2, 0x10, 192, 0, 2, 123]);
    reply.extend_from_slice(&stamp);
    reply.extend_from_slice(&call.bytes[40..48]);
    reply.extend_from_slice(&stamp);
    reply.extend_from_slice(&stamp);
    let mut heard = Heard::new(
        "ntp",
        Protocol::Ntp,
        format!("time, version {version}").as_bytes(),
        "stratum 2",
    );
    heard.replies.push(reply);
    Some(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_time_gets_its_own_stamp_back() {
        let mut bytes = [0_u8; 48];
        bytes[0] = 0x1b;
        bytes[40..].copy_from_slice(b"originat");
        let any = SocketAddr::from(([192, 0, 2, 1], 123));
        let call = |bytes| Call {
            bytes,
            source: any,
            destination: any,
            port: 123,
        };
        let reply = ntp(call(&bytes), Clock::default())
            .unwrap()
            .replies
            .remove(0);
        assert_eq!(
            (reply.len(), reply[0], &reply[24..32]),
            (48, 0x1c, &b"originat"[..])
        );
        let control = [&[0x1e][..], &bytes[1..]].concat();
        assert!(
            ntp(call(&control), Clock::default()).is_none(),
            "control messages are not answered"
        );
    }
}
