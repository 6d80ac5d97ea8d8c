use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

/// What the bytes of a file must hash to, as its registry states.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// SHA-512 (npm's `dist.integrity`).
    Sha512([u8; 64]),
    /// SHA-256 (the simple index' `hashes.sha256`).
    Sha256([u8; 32]),
    /// SHA-1 (npm's `dist.shasum`, for old packages that have nothing better).
    Sha1([u8; 20]),
    /// The registry states none; the first bytes that come are taken.
    Unstated,
}

impl Integrity {
    /// The strongest hash of an SRI string (`sha512-BASE64`, several are separated by spaces); `None` if it
    /// holds none that is known.
    pub fn from_sri(text: &str) -> Option<Self> {
        text.split_ascii_whitespace()
            .filter_map(|part| {
                let (algorithm, rest) = part.split_once('-')?;
                let digest = rest.split('?').next()?;
                Self::new(algorithm, &STANDARD.decode(digest).ok()?)
            })
            .max_by_key(Self::strength)
    }

    /// A hash in hexadecimal; `algorithm` is `sha512`, `sha256` or `sha1`.
    pub fn from_hex(algorithm: &str, hex: &str) -> Option<Self> {
        if !hex.len().is_multiple_of(2) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let bytes: Option<Vec<u8>> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok())
            .collect();
        Self::new(algorithm, &bytes?)
    }

    fn new(algorithm: &str, digest: &[u8]) -> Option<Self> {
        match algorithm {
            "sha512" => digest.try_into().ok().map(Self::Sha512),
            "sha256" => digest.try_into().ok().map(Self::Sha256),
            "sha1" => digest.try_into().ok().map(Self::Sha1),
            _ => None,
        }
    }

    fn strength(&self) -> u8 {
        match self {
            Self::Sha512(_) => 3,
            Self::Sha256(_) => 2,
            Self::Sha1(_) => 1,
            Self::Unstated => 0,
        }
    }
}

/// `sha256:HEX`, or `unstated`.
impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha512(digest) => write!(f, "sha512:{}", hex(digest)),
            Self::Sha256(digest) => write!(f, "sha256:{}", hex(digest)),
            Self::Sha1(digest) => write!(f, "sha1:{}", hex(digest)),
            Self::Unstated => f.write_str("unstated"),
        }
    }
}

/// Hashes a file while it comes: always with SHA-256, and with what the registry states.
pub(crate) struct Verifier {
    sha256: Sha256,
    stated: Stated,
}

enum Stated {
    Sha512(Sha512),
    Sha1(Sha1),
    None,
}

impl Verifier {
    pub(crate) fn new(expect: &Integrity) -> Self {
        let stated = match expect {
            Integrity::Sha512(_) => Stated::Sha512(Sha512::new()),
            Integrity::Sha1(_) => Stated::Sha1(Sha1::new()),
            Integrity::Sha256(_) | Integrity::Unstated => Stated::None,
        };
        Self {
            sha256: Sha256::new(),
            stated,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        match &mut self.stated {
            Stated::Sha512(hash) => hash.update(bytes),
            Stated::Sha1(hash) => hash.update(bytes),
            Stated::None => {}
        }
    }

    /// SHA-256 in hexadecimal if the bytes are those expected, else what they hash to.
    pub(crate) fn finish(self, expect: &Integrity) -> Result<String, Integrity> {
        let sha256: [u8; 32] = self.sha256.finalize().into();
        let got = match self.stated {
            Stated::Sha512(hash) => Integrity::Sha512(hash.finalize().into()),
            Stated::Sha1(hash) => Integrity::Sha1(hash.finalize().into()),
            Stated::None => Integrity::Sha256(sha256),
        };
        if *expect == Integrity::Unstated || *expect == got {
            Ok(hex(&sha256))
        } else {
            Err(got)
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

    #[test]
    fn the_strongest_hash_of_an_sri_string_counts() {
        let sha512 = STANDARD.encode(Sha512::digest(b"x"));
        let sri = format!("md5-abcd sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= sha512-{sha512}?foo");
        assert!(matches!(
            Integrity::from_sri(&sri),
            Some(Integrity::Sha512(_))
        ));
        assert_eq!(
            Integrity::from_sri("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
            Integrity::from_hex("sha1", EMPTY_SHA1)
        );
        for bad in [
            "",
            "sha512-",
            "sha512-!!",
            "md5-abcd",
            "sha512-2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        ] {
            assert_eq!(Integrity::from_sri(bad), None, "{bad}");
        }
        for bad in ["", "zz", "é", "abc"] {
            assert_eq!(Integrity::from_hex("sha256", bad), None, "{bad}");
        }
    }

    #[test]
    fn other_bytes_are_told_with_their_digest() {
        let expect = Integrity::from_hex("sha1", EMPTY_SHA1).unwrap();
        assert!(Verifier::new(&expect).finish(&expect).is_ok());
        let mut verifier = Verifier::new(&expect);
        verifier.update(b"x");
        let got = verifier.finish(&expect).unwrap_err();
        assert_eq!(
            got.to_string(),
            "sha1:11f6ad8ec52a2984abaafd7c3b516503785c2072"
        );
    }
}
