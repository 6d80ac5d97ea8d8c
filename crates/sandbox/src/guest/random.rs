//! Randomness in the shapes that personas and baits need.

use std::fmt::Write as _;

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes of the operating system's generator.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random generator");
    bytes
}

/// A number below `bound`.
pub(super) fn below(bound: usize) -> usize {
    (u64::from_ne_bytes(bytes()) % bound as u64) as usize
}

pub(super) fn pick<T: Copy>(list: &[T]) -> T {
    list[below(list.len())]
}

fn from_alphabet(alphabet: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(pick(alphabet))).collect()
}

pub(super) fn alphanumeric(length: usize) -> String {
    from_alphabet(ALPHANUMERIC, length)
}

pub(super) fn base32(length: usize) -> String {
    from_alphabet(BASE32, length)
}

pub(super) fn base64(length: usize) -> String {
    from_alphabet(BASE64, length)
}

pub(super) fn hex(length: usize) -> String {
    from_alphabet(b"0123456789abcdef", length)
}

/// `xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx`.
pub(super) fn uuid() -> String {
    format!("{}-{}-4{}-a{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12))
}

/// A token as code hosts and registries make them: a prefix, 30 characters, and their checksum in 6 digits of base 62,
/// which scanners (and thieves) verify.
pub(super) fn checked_token(prefix: &str) -> String {
    let body = alphanumeric(30);
    let mut rest = crc32(body.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    let mut token = format!("{prefix}{body}");
    for digit in digits {
        // Writing to a string cannot fail.
        let _ = token.write_char(char::from(digit));
    }
    token
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_common_crc32() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
    }
}
