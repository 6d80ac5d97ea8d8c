//! The key id in a detached OpenPGP signature. Nothing is verified: the key itself is not at hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SIGNATURE: u8 = 2;
const ISSUER: u8 = 16;
const ISSUER_FINGERPRINT: u8 = 33;

/// Hexadecimal id (or fingerprint) of the key that an ASCII-armoured signature names.
pub(super) fn key_id(armoured: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(armoured).ok()?;
    let body = text.split_once("-----BEGIN PGP SIGNATURE-----")?.1;
    let body = body.split("-----END").next()?;
    let lines = body.lines().map(str::trim);
    // Headers have a colon, the checksum at the end starts with an equals sign.
    let packed: String = lines
        .filter(|line| !line.contains(':') && !line.starts_with('='))
        .collect();
    let packet = STANDARD.decode(packed).ok()?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    issuer(content(&packet)?).map(hex)
}

/// The body of the first packet, if it is a signature.
fn content(packet: &[u8]) -> Option<&[u8]> {
    let (&tag, rest) = packet.split_first()?;
    if tag & 0x80 == 0 {
        return None;
    }
    if tag & 0x40 != 0 {
        let (length, rest) = length(rest)?;
        return (tag & 0x3f == SIGNATURE).then(|| rest.get(..length))?;
    }
    let bytes = 1usize << (tag & 3);
    if (tag >> 2) & 0xf != SIGNATURE || bytes > 4 {
        return None;
    }
    let (size, rest) = rest.split_at_checked(bytes)?;
    rest.get(..number(size))
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | usize::from(byte))
}

/// A length of one, two or five bytes, and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..192 => Some((usize::from(first), rest)),
        192..224 => {
            let (&second, rest) = rest.split_first()?;
            Some((
                (usize::from(first) - 192) * 256 + usize::from(second) + 192,
                rest,
            ))
        }
        255 => {
            let (size, rest) = rest.split_at_checked(4)?;
            Some((number(size), rest))
        }
        _ => None,
    }
}

/// The fingerprint, else the id, from the subpackets of a version 4 signature.
fn issuer(signature: &[u8]) -> Option<&[u8]> {
    if *signature.first()? != 4 {
        return None;
    }
    let mut id = None;
    let mut rest = signature.get(4..)?;
    for _hashed in [true, false] {
        let (size, after) = rest.split_at_checked(2)?;
        let (mut area, after) = after.split_at_checked(number(size))?;
        rest = after;
        while !area.is_empty() {
            let (size, after) = length(area)?;
            let (packet, after) = after.split_at_checked(size)?;
            area = after;
            match packet.split_first() {
                // A byte for the version comes before the fingerprint.
                Some((kind, body)) if kind & 0x7f == ISSUER_FINGERPRINT => return body.get(1..),
                Some((kind, body)) if kind & 0x7f == ISSUER => id = Some(body),
                _ => {}
            }
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armour(packet: &[u8]) -> Vec<u8> {
        let body = STANDARD.encode(packet);
        format!("-----BEGIN PGP SIGNATURE-----\nVersion: x\n\n{body}\n=abcd\n-----END PGP SIGNATURE-----\n")
            .into_bytes()
    }

    fn signature(subpackets: &[u8]) -> Vec<u8> {
        let mut body = vec![4, 0, 1, 8, 0, 0, 0, subpackets.len() as u8];
        body.extend_from_slice(subpackets);
        body.extend([0xab, 0xcd]);
        let mut packet = vec![0x88, body.len() as u8];
        packet.extend(body);
        packet
    }

    #[test]
    fn the_key_is_told_by_id_or_fingerprint() {
        let id = signature(&[9, 16, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(key_id(&armour(&id)).as_deref(), Some("0102030405060708"));
        let both = signature(&[9, 16, 1, 2, 3, 4, 5, 6, 7, 8, 4, 33, 4, 0xaa, 0xbb]);
        assert_eq!(key_id(&armour(&both)).as_deref(), Some("AABB"));
    }

    #[test]
    fn nonsense_names_no_key() {
        let whole = signature(&[9, 16, 1, 2, 3, 4, 5, 6, 7, 8]);
        for end in 0..whole.len() {
            let _ = key_id(&armour(&whole[..end]));
        }
        for bad in [
            &b""[..],
            b"\xff",
            b"-----BEGIN PGP SIGNATURE-----",
            &armour(&[0xff; 40]),
        ] {
            assert_eq!(key_id(bad), None);
        }
    }
}
