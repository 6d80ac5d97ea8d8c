//! Made-up values: the same wherever a run asks for the same one, different in every run.

use sha2::{Digest as _, Sha256};

const DIGITS: &[u8] = b"0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Longest made-up value.
pub(crate) const LONGEST: usize = 2048;

/// The characters a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alphabet(&'static [u8]);

impl Alphabet {
    /// `digits`, `hex`, `alnum`, `base32`, `base64`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(Self(match name {
            "digits" => DIGITS,
            "hex" => HEX,
            "alnum" => ALNUM,
            "base32" => UPPER,
            "base64" => BASE64,
            _ => return None,
        }))
    }
}

/// What all made-up values of a run come from.
#[derive(Clone, Debug)]
pub(crate) struct Seed([u8; 32]);

impl Seed {
    /// From something that is different in every run.
    pub(crate) fn new(unique: &[u8]) -> Self {
        Self(Sha256::digest(unique).into())
    }

    /// `length` characters for the purpose `of`. Numbers do not start with 0.
    pub(crate) fn text(&self, of: &str, alphabet: Alphabet, length: usize) -> String {
        let mut out = String::with_capacity(length);
        let mut block = 0_u64;
        while out.len() < length.min(LONGEST) {
            let bytes = Sha256::new_with_prefix(self.0)
                .chain_update(block.to_le_bytes())
                .chain_update(of)
                .finalize();
            for byte in bytes {
                let at = usize::from(byte) % alphabet.0.len();
                let zero = out.is_empty() && alphabet.0 == DIGITS;
                out.push(char::from(alphabet.0[at.max(usize::from(zero))]));
            }
            block += 1;
        }
        out.truncate(length.min(LONGEST));
        out
    }

    /// `xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx`.
    pub(crate) fn uuid(&self, of: &str) -> String {
        let hex = self.text(of, Alphabet(HEX), 32);
        format!(
            "{}-{}-4{}-a{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..]
        )
    }

    /// Fills a shape: `ASIA{base32:16}`.
    pub(crate) fn shape(&self, of: &str, shape: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = shape;
        while let Some((plain, after)) = rest.split_once('{') {
            out.push_str(plain);
            let (inner, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{shape}` lacks a closing brace"))?;
            let (alphabet, length) = counted(inner)?;
            out.push_str(&self.text(&format!("{of}/{}", out.len()), alphabet, length));
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// `hex:32`.
pub(crate) fn counted(text: &str) -> Result<(Alphabet, usize), String> {
    let (name, length) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}` lacks a length; write for one hex:32"))?;
    let alphabet = Alphabet::of(name).ok_or_else(|| {
        format!("`{name}` is no alphabet; there are digits, hex, alnum, base32, base64")
    })?;
    match length.parse() {
        Ok(length) if (1..=LONGEST).contains(&length) => Ok((alphabet, length)),
        _ => Err(format!(
            "the length in `{text}` is not within 1 and {LONGEST}"
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stable_in_a_run_and_differ_between_purposes_and_runs() {
        let (one, two) = (Seed::new(b"1"), Seed::new(b"2"));
        let key = |seed: &Seed, of| seed.shape(of, "ASIA{base32:16}/{hex:4}").unwrap();
        assert_eq!(key(&one, "a"), key(&one, "a"));
        assert_ne!(key(&one, "a"), key(&one, "b"));
        assert_ne!(key(&one, "a"), key(&two, "a"));
        assert_eq!(key(&one, "a").len(), 4 + 16 + 1 + 4);
        assert_eq!(one.uuid("x").len(), 36);
        assert!(!one.text("n", Alphabet(DIGITS), 19).starts_with('0'));
    }

    #[test]
    fn improper_shapes_are_refused() {
        let seed = Seed::new(b"");
        for shape in ["{hex:0}", "{hex}", "{oct:3}", "{hex:3", "{hex:99999}"] {
            assert!(seed.shape("x", shape).is_err(), "{shape}");
        }
    }
}
