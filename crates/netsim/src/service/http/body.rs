//! The body of a request: counted, chunked, or none.

use crate::record::Held;
use crate::wire::Wire;

/// Bytes of a chunk's size line with its extensions, and of a trailer line.
const LINE: usize = 8 << 10;
/// Trailer lines.
const TRAILERS: usize = 128;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// By its length in bytes.
    Length(u64),
    /// By a last chunk.
    Chunked,
}

/// Reads a body to its end. False when the client broke off or broke the format; what came until then is held.
pub(super) async fn read(wire: &mut Wire, framing: Framing, held: &mut Held) -> bool {
    match framing {
        Framing::None => true,
        Framing::Length(length) => take(wire, length, held).await,
        Framing::Chunked => chunks(wire, held).await.is_some(),
    }
}

async fn chunks(wire: &mut Wire, held: &mut Held) -> Option<()> {
    loop {
        let line = line(wire).await?;
        match size(&line)? {
            0 => break,
            length => {
                if !take(wire, length, held).await || !self::line(wire).await?.is_empty() {
                    return None;
                }
            }
        }
    }
    for _ in 0..TRAILERS {
        if line(wire).await?.is_empty() {
            return Some(());
        }
    }
    None
}

/// Moves `length` bytes from the wire into `held`.
async fn take(wire: &mut Wire, mut length: u64, held: &mut Held) -> bool {
    while length > 0 {
        if wire.ahead().is_empty() && !matches!(wire.fill().await, Ok(1..)) {
            return false;
        }
        let count = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(wire.ahead().len());
        held.push(&wire.ahead()[..count]);
        wire.consume(count);
        length -= count as u64;
    }
    true
}

/// The next line without its end; `None` when it is too long or the stream ends.
async fn line(wire: &mut Wire) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = wire.ahead().iter().take(LINE).position(|b| *b == b'\n') {
            let line = wire.ahead()[..end]
                .strip_suffix(b"\r")
                .unwrap_or(&wire.ahead()[..end])
                .to_vec();
            wire.consume(end + 1);
            return Some(line);
        }
        if wire.ahead().len() >= LINE || !matches!(wire.fill().await, Ok(1..)) {
            return None;
        }
    }
}

/// The size in a chunk's first line, without its extensions.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|b| *b == b';').next()?.trim_ascii();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chunk_sizes_allow_extensions_and_refuse_signs() {
        assert_eq!(size(b"1A;name=\"v\""), Some(26));
        assert_eq!(size(b"0"), Some(0));
        for bad in [&b""[..], b"+5", b"-1", b"0x5", b"fffffffffffffffff", b" ;"] {
            assert_eq!(size(bad), None);
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line: Vec<u8>) {
            size(&line);
        }
    }
}
