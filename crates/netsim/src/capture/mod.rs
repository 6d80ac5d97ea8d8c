//! The traffic itself, for tools that read recordings of packets.

mod packet;
mod pcapng;

use std::net::SocketAddr;
use std::time::SystemTime;

use apa_model::{Flow, Transport};

use packet::{Conversation, datagram};
use pcapng::Writer;

/// Bytes of one segment of a stream.
const SEGMENT: usize = 16 << 10;
/// Bytes of a flow's comment.
const COMMENT: usize = 400;

/// Bytes that went one way at one time.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) at_us: u64,
    /// From the sample.
    pub(crate) outward: bool,
    /// The sample's address, where it differs within the flow: datagrams of one process are one conversation.
    pub(crate) source: Option<SocketAddr>,
    pub(crate) bytes: Vec<u8>,
}

/// A flow and what went over it.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) flow: Flow,
    pub(crate) pieces: Vec<Piece>,
    /// There was no room for the rest.
    pub(crate) cut: bool,
}

/// What went over the simulated network, within the run's bound, with the secrets that its TLS can be read by.
#[derive(Debug)]
pub struct Capture {
    pub(crate) began: SystemTime,
    pub(crate) flows: Vec<Recorded>,
    pub(crate) keys: Vec<String>,
}

impl Capture {
    /// A recording in the pcapng format: packets made up from the recorded streams (their bytes and times are true, their
    /// numbers are not), a comment per conversation, and the secrets of TLS, so that Wireshark shows it decrypted.
    pub fn pcapng(&self) -> Vec<u8> {
        let mut packets = Vec::new();
        for Recorded { flow, pieces, cut } in &self.flows {
            let first = packets.len();
            match flow.transport {
                Transport::Tcp => stream(flow, pieces, &mut packets),
                Transport::Udp => datagrams(flow, pieces, &mut packets),
            }
            if let Some(packet) = packets.get_mut(first) {
                let cut = if *cut { "; the recording is cut" } else { "" };
                packet.comment = Some(comment(flow) + cut);
            }
        }
        packets.sort_by_key(|packet| packet.at_us);
        let began = self.began.duration_since(SystemTime::UNIX_EPOCH);
        let began = began.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(0));
        let mut writer = Writer::new(&self.keys);
        for packet in &packets {
            writer.packet(
                began + packet.at_us,
                &packet.bytes,
                packet.comment.as_deref(),
            );
        }
        writer.finish()
    }
}

/// A packet, before it is written.
struct Packet {
    at_us: u64,
    bytes: Vec<u8>,
    comment: Option<String>,
}

impl Packet {
    fn new(at_us: u64, bytes: Vec<u8>) -> Self {
        Self {
            at_us,
            bytes,
            comment: None,
        }
    }
}

fn stream(flow: &Flow, pieces: &[Piece], packets: &mut Vec<Packet>) {
    let mut conversation = Conversation::new(flow.source, flow.destination);
    let start = flow.started_us;
    packets.extend(conversation.open().map(|bytes| Packet::new(start, bytes)));
    let mut last = start;
    for piece in pieces {
        last = last.max(piece.at_us);
        for part in piece.bytes.chunks(SEGMENT) {
            packets.push(Packet::new(last, conversation.data(piece.outward, part)));
        }
    }
    let end = flow.ended_us.unwrap_or(last).max(last);
    packets.extend(conversation.close().map(|bytes| Packet::new(end, bytes)));
}

fn datagrams(flow: &Flow, pieces: &[Piece], packets: &mut Vec<Packet>) {
    for piece in pieces {
        let source = piece.source.unwrap_or(flow.source);
        let (from, to) = match piece.outward {
            true => (source, flow.destination),
            false => (flow.destination, source),
        };
        packets.push(Packet::new(piece.at_us, datagram(from, to, &piece.bytes)));
    }
}

/// Which conversation it is, in a line.
fn comment(flow: &Flow) -> String {
    let name = flow.sni.as_ref().or(flow.resolved_name.as_ref());
    let name = name.map_or_else(|| flow.destination.to_string(), ToString::to_string);
    let process = flow
        .process
        .map_or("unknown".to_owned(), |id| id.0.to_string());
    let first = flow
        .messages
        .first()
        .map(|message| message.summary.to_string());
    let mut text = format!(
        "flow {} ({}), {} phase, process {process}, {name} {}",
        flow.id,
        flow.layers.join("/"),
        flow.phase,
        first.unwrap_or_default()
    );
    let cut = text
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at >= COMMENT);
    text.truncate(cut.unwrap_or(text.len()));
    text
}
