use std::collections::BTreeMap;

use apa_archive::{Archive, Part};
use apa_model::Hostile;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, PublicKey};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::ApkError;

/// ASN.1 in front of a SHA-1 and a SHA-256 in a PKCS#1 v1.5 signature (RFC 8017, section 9.2).
const SHA1_PREFIX: [u8; 15] = [
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
];
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// Largest modulus that is used, bits: a hostile key must not cost minutes.
const MOST_BITS: u32 = 8192;

/// Public keys by the name of their file, as in `/etc/apk/keys`.
#[derive(Clone, Debug, Default)]
pub struct Keys(BTreeMap<String, PublicKey>);

impl Keys {
    /// Takes in a key; `name` is its file's name, which signatures refer to.
    ///
    /// # Errors
    /// When it is no RSA public key in PEM.
    pub fn add(&mut self, name: &str, pem: &str) -> Result<(), ApkError> {
        let bad = |reason: String| ApkError::Key {
            name: name.to_owned(),
            reason,
        };
        let key = PublicKey::from_public_key_pem(pem).map_err(|error| bad(error.to_string()))?;
        if key.n().bit_width() > MOST_BITS {
            return Err(bad(format!("it has more than {MOST_BITS} bits")));
        }
        self.0.insert(name.to_owned(), key);
        Ok(())
    }

    /// Names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What became of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// There is none.
    Unsigned,
    /// The key it names is not among ours, or the kind of signature is unknown: nothing is known.
    UnknownKey(Hostile),
    /// It fits.
    Valid(String),
    /// It is by a key we have and does not fit: the bytes are not those that were signed.
    Bad(String),
}

impl Signature {
    /// Checks the signatures in the gzip member `part` over `signed`. Of several, one by a key of ours counts, and
    /// one that does not fit counts most.
    pub(crate) fn check(archive: &Archive, part: &Part, signed: &[u8], keys: &Keys) -> Self {
        let entries = archive.entries.get(part.entries.clone());
        let found = entries.unwrap_or_default().iter();
        found
            .map(|entry| check_one(&entry.path, &entry.bytes, signed, keys))
            .max_by_key(|signature| match signature {
                Self::Unsigned => 0,
                Self::UnknownKey(_) => 1,
                Self::Valid(_) => 2,
                Self::Bad(_) => 3,
            })
            .unwrap_or(Self::Unsigned)
    }
}

fn check_one(path: &Hostile, signature: &[u8], signed: &[u8], keys: &Keys) -> Signature {
    let name = path.lossy();
    let (key_name, scheme, digest): (&str, Pkcs1v15Sign, Vec<u8>) =
        if let Some(key) = name.strip_prefix(".SIGN.RSA256.") {
            let digest = Sha256::digest(signed).to_vec();
            (key, scheme(&SHA256_PREFIX, digest.len()), digest)
        } else if let Some(key) = name.strip_prefix(".SIGN.RSA.") {
            let digest = Sha1::digest(signed).to_vec();
            (key, scheme(&SHA1_PREFIX, digest.len()), digest)
        } else if name.starts_with(".SIGN.") {
            return Signature::UnknownKey(path.shortened(200));
        } else {
            return Signature::Unsigned;
        };
    match keys.0.get(key_name) {
        None => Signature::UnknownKey(Hostile::from(key_name).shortened(200)),
        Some(key) if key.verify(scheme, &digest, signature).is_ok() => {
            Signature::Valid(key_name.to_owned())
        }
        Some(_) => Signature::Bad(key_name.to_owned()),
    }
}

fn scheme(prefix: &[u8], length: usize) -> Pkcs1v15Sign {
    Pkcs1v15Sign {
        hash_len: Some(length),
        prefix: prefix.into(),
    }
}
