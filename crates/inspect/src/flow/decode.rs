//! Constants decoded as the code would do it. Bounded; what does not decode is `None`.

use std::io::Read;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::library::Codec;

/// Most bytes one decoder gives.
const MAX_OUT: u64 = 4 << 20;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

impl Codec {
    /// How a layer is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Base32 => "base32",
            Self::Ascii85 => "base85",
            Self::Zlib => "zlib",
            Self::Gzip => "gzip",
            Self::Percent => "url",
            Self::Rot13 => "rot13",
            Self::Opaque => "code object",
        }
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => base64(bytes),
            Self::Hex => hex(bytes),
            Self::Base32 => base32(bytes),
            Self::Zlib => inflate(flate2::read::ZlibDecoder::new(bytes))
                .or_else(|| inflate(flate2::read::DeflateDecoder::new(bytes))),
            Self::Gzip => inflate(flate2::read::GzDecoder::new(bytes)),
            Self::Percent => Some(percent(bytes)),
            Self::Rot13 => Some(bytes.iter().map(|byte| rot13(*byte)).collect()),
            Self::Ascii85 => base85(bytes),
            Self::Opaque => None,
        }
    }
}

fn base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let packed: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let alphabet = match packed.iter().any(|byte| b"-_".contains(byte)) {
        true => &alphabet::URL_SAFE,
        false => &alphabet::STANDARD,
    };
    GeneralPurpose::new(alphabet, LENIENT).decode(&packed).ok()
}

fn hex(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = bytes
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn base32(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut held) = (0_u64, 0);
    for byte in bytes.iter().filter(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5 | u64::from(value)) & 0xffff_ffff;
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

/// Python's base85 (the alphabet of RFC 1924).
fn base85(bytes: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let mut out = Vec::new();
    for chunk in bytes.chunks(5) {
        let mut value = 0_u64;
        for at in 0..5 {
            let digit = match chunk.get(at) {
                Some(byte) => ALPHABET.iter().position(|known| known == byte)?,
                None => 84,
            };
            value = value * 85 + digit as u64;
        }
        let value = u32::try_from(value).ok()?.to_be_bytes();
        out.extend_from_slice(&value[..(chunk.len() - 1).min(4)]);
    }
    Some(out)
}

fn inflate(reader: impl Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    // A stream that is cut still tells what it began with.
    let _ = reader.take(MAX_OUT).read_to_end(&mut out);
    (!out.is_empty()).then_some(out)
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(hex) {
            Some(decoded) => {
                out.extend(decoded);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        byte => byte,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_codec_decodes_what_its_writer_wrote() {
        assert_eq!(Codec::Base64.decode(b"aGVsbG8").unwrap(), b"hello");
        assert_eq!(Codec::Base64.decode(b"-_-_").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(Codec::Hex.decode(b"68 65").unwrap(), b"he");
        assert_eq!(Codec::Base32.decode(b"NBSWY3DP").unwrap(), b"hello");
        assert_eq!(Codec::Ascii85.decode(b"Xk~0{Zv").unwrap(), b"hello");
        assert_eq!(Codec::Percent.decode(b"%68i%").unwrap(), b"hi%");
        assert_eq!(Codec::Rot13.decode(b"Uryyb").unwrap(), b"Hello");
        assert_eq!(Codec::Hex.decode(b"xyz"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes: Vec<u8>) {
            for codec in [
                Codec::Base64, Codec::Hex, Codec::Base32, Codec::Ascii85, Codec::Zlib,
                Codec::Gzip, Codec::Percent, Codec::Rot13, Codec::Opaque,
            ] {
                let _ = codec.decode(&bytes);
            }
        }
    }
}
