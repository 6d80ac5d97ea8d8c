//! WebSocket after its handshake: frames are unmasked and kept, nothing is said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::super::Talk;
use super::super::raw::record as record_raw;
use super::head::Head;
use crate::record::Held;
use crate::wire::Wire;

/// What every server adds to the client's key.
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
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

/// Reads frames to the end of the stream and records what was in them.
pub(super) async fn sink(mut wire: Wire, talk: &mut Talk) {
    let mut held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
    while let Some((head, frame)) = next_frame(&mut wire).await {
        wire.consume(head);
        if !take(&mut wire, &frame, &mut held).await || frame.closes {
            break;
        }
    }
    talk.record
        .layer("websocket", Some(apa_model::Protocol::Raw));
    record_raw(talk, held, "websocket").await;
}

struct Frame {
    length: u64,
    mask: Option<[u8; 4]>,
    closes: bool,
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
    let closes = first & 0x0f == 8;
    Some((
        at,
        Frame {
            length,
            mask,
            closes,
        },
    ))
}

/// Takes one frame's content; false when the stream ends inside it.
async fn take(wire: &mut Wire, frame: &Frame, held: &mut Held) -> bool {
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
        assert_eq!((at, frame.length, frame.closes), (10, 65536, true));
        for cut in [&[0x81u8][..], &[0x81, 0xfe, 1], &[0x81, 0x85, 1, 2, 3]] {
            assert!(parse(cut).is_none(), "{cut:?}");
        }
    }
}
