//! WebSocket after its handshake: messages are unmasked and kept.

use std::io;
use std::sync::Arc;

use apa_model::{FlowMessage, Hostile};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use tokio::io::AsyncWriteExt;

use super::super::Talk;
use super::head::Head;
use crate::record::Held;
use crate::wire::Wire;

/// What every server adds to the client's key.
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a message shown in its summary.
const SHOWN: usize = 2048;
/// Kinds of frames.
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// How a server of Engine.IO opens.
const ENGINE_OPEN: &[u8] = b"0{\"sid\":\"lv8mB2cYkQ0a1XbTAAAA\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}";
/// Longest frame head: two bytes, a length of eight, a mask of four.
const LONGEST_HEAD: usize = 14;

/// The `Sec-WebSocket-Accept` value for a request that asks for this protocol.
pub(super) fn accept(head: &Head) -> Option<String> {
    let upgrade = head.header("upgrade")?;
    if !upgrade.eq_ignore_ascii_case(b"websocket") {
        return None;
    }
    let key = head.header("sec-websocket-key")?;
    let digest = Sha1::new().chain_update(key).chain_update(SALT).finalize();
    Some(STANDARD.encode(digest))
}

/// Takes messages to the end of the stream: pings, farewells and what common libraries wait for are answered.
pub(super) async fn converse(mut wire: Wire, talk: &mut Talk, head: &Head) -> io::Result<()> {
    talk.record
        .layer("websocket", Some(apa_model::Protocol::Raw));
    let mut held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
    let said = messages(&mut wire, talk, head, &mut held).await;
    let held = Arc::new(held);
    if held.total > 0 {
        let blob = talk.record.keep(&talk.shared, &held).await;
        talk.record.with(|flow| flow.sent_blob = blob);
        talk.record.search(&talk.shared, held, "websocket").await;
    }
    said
}

async fn messages(wire: &mut Wire, talk: &Talk, head: &Head, held: &mut Held) -> io::Result<()> {
    let engine = head.path().ends_with(b"/socket.io/") || head.query().starts_with(b"EIO=");
    if engine {
        send(wire, TEXT, ENGINE_OPEN).await?;
    }
    let mut message = Vec::new();
    while let Some((length, frame)) = next_frame(wire).await {
        wire.consume(length);
        let mut piece = Vec::new();
        if !take(wire, &frame, held, &mut piece).await {
            break;
        }
        match frame.kind {
            CLOSE => return send(wire, CLOSE, &piece[..piece.len().min(2)]).await,
            PING => send(wire, PONG, &piece[..piece.len().min(125)]).await?,
            PONG => {}
            _ => {
                let room = SHOWN - message.len();
                message.extend_from_slice(&piece[..piece.len().min(room)]);
                if frame.last {
                    note(talk, &message, frame.length);
                    if engine && let Some(answer) = engine_answer(&message) {
                        send(wire, TEXT, answer).await?;
                    }
                    message.clear();
                }
            }
        }
    }
    Ok(())
}

fn note(talk: &Talk, message: &[u8], length: u64) {
    let message = FlowMessage {
        summary: Hostile::from(message),
        headers: Vec::new(),
        body: None,
        body_bytes: length,
        answer: Hostile::default(),
    };
    talk.record.message(&talk.shared, message);
}

/// What the library behind `/socket.io/` waits for: its ping, and its wish to be let in.
fn engine_answer(message: &[u8]) -> Option<&'static [u8]> {
    match message {
        b"2" => Some(b"3"),
        b"2probe" => Some(b"3probe"),
        [b'4', b'0', ..] => Some(b"40{\"sid\":\"p3kQ9vXaBzLm2R7dAAAB\"}"),
        _ => None,
    }
}

async fn send(wire: &mut Wire, kind: u8, content: &[u8]) -> io::Result<()> {
    // Ours are all shorter than 126 bytes, and a server does not mask.
    let length = u8::try_from(content.len()).unwrap_or(125).min(125);
    let frame = [&[0x80 | kind, length], &content[..usize::from(length)]].concat();
    wire.write_all(&frame).await?;
    wire.flush().await
}

struct Frame {
    length: u64,
    mask: Option<[u8; 4]>,
    kind: u8,
    /// It ends its message.
    last: bool,
}

/// The next frame and the length of its head; `None` at the end of the stream.
async fn next_frame(wire: &mut Wire) -> Option<(usize, Frame)> {
    loop {
        if let Some(found) = parse(wire.ahead()) {
            return Some(found);
        }
        if wire.ahead().len() >= LONGEST_HEAD || !matches!(wire.fill().await, Ok(1..)) {
            return None;
        }
    }
}

fn parse(bytes: &[u8]) -> Option<(usize, Frame)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, mut at) = match second & 0x7f {
        126 => (
            u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
            4,
        ),
        127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let mut mask = None;
    if second & 0x80 != 0 {
        mask = Some(*bytes.get(at..)?.first_chunk()?);
        at += 4;
    }
    Some((
        at,
        Frame {
            length,
            mask,
            kind: first & 0x0f,
            last: first & 0x80 != 0,
        },
    ))
}

/// Takes one frame's content, its beginning into `shown`; false when the stream ends inside it.
async fn take(wire: &mut Wire, frame: &Frame, held: &mut Held, shown: &mut Vec<u8>) -> bool {
    let mut done = 0u64;
    while done < frame.length {
        if wire.ahead().is_empty() && !matches!(wire.fill().await, Ok(1..)) {
            return false;
        }
        let left = usize::try_from(frame.length - done).unwrap_or(usize::MAX);
        let count = wire.ahead().len().min(left);
        let mut piece = wire.ahead()[..count].to_vec();
        if let Some(mask) = frame.mask {
            let offset = (done % 4) as usize;
            for (at, byte) in piece.iter_mut().enumerate() {
                *byte ^= mask[(at + offset) % 4];
            }
        }
        held.push(&piece);
        let room = SHOWN - shown.len();
        shown.extend_from_slice(&piece[..piece.len().min(room)]);
        wire.consume(count);
        done += count as u64;
    }
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_all_lengths_are_read_and_cut_ones_wait() {
        let (at, frame) = parse(&[0x81, 0x85, 1, 2, 3, 4, 9]).unwrap();
        assert_eq!((at, frame.length, frame.mask), (6, 5, Some([1, 2, 3, 4])));
        let (at, frame) = parse(&[0x82, 126, 1, 0]).unwrap();
        assert_eq!((at, frame.length, frame.mask), (4, 256, None));
        let (at, frame) = parse(&[0x88, 127, 0, 0, 0, 0, 0, 1, 0, 0]).unwrap();
        assert_eq!((at, frame.length, frame.kind), (10, 65536, CLOSE));
        for cut in [&[0x81u8][..], &[0x81, 0xfe, 1], &[0x81, 0x85, 1, 2, 3]] {
            assert!(parse(cut).is_none(), "{cut:?}");
        }
    }
}
