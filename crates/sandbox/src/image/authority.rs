//! The name under which OpenSSL looks a certificate up in a folder: the beginning of a SHA-1 over its subject in a
//! canonical form. With it, programs that are started without our variables trust the simulator too.

use base64::Engine as _;
use sha1::{Digest as _, Sha1};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
/// UTF-8, printable, teletex, IA5 and visible strings; for ASCII their bytes are the same.
const STRINGS: [u8; 5] = [UTF8_STRING, 0x13, 0x14, 0x16, 0x1a];
const EXPLICIT_VERSION: u8 = 0xa0;

/// `XXXXXXXX` for the file name `XXXXXXXX.0`. `None` when the text holds no certificate that can be read.
pub(super) fn subject_hash(pem: &str) -> Option<String> {
    let body = pem
        .split("-----BEGIN CERTIFICATE-----")
        .nth(1)?
        .split("-----END")
        .next()?;
    let text: String = body.split_whitespace().collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    let (_, certificate, _) = element(&der)?;
    let (_, mut signed, _) = element(certificate)?;
    if signed.first() == Some(&EXPLICIT_VERSION) {
        signed = element(signed)?.2;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        signed = element(signed)?.2;
    }
    let (_, subject, _) = element(signed)?;
    let digest = Sha1::digest(canonical(subject)?);
    let first = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
    Some(format!("{first:08x}"))
}

/// Tag, content and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let bytes = rest.get(..count).filter(|_| (1..=3).contains(&count))?;
        let length = bytes
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte));
        (length, &rest[count..])
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        length @ ..0x80 => out.push(length as u8),
        length @ ..0x100 => out.extend([0x81, length as u8]),
        length => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// The parts of a name in a row, strings as UTF-8 in lower case with single spaces.
fn canonical(mut name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !name.is_empty() {
        let (_, mut set, rest) = element(name)?;
        let mut parts = Vec::new();
        while !set.is_empty() {
            let (_, pair, others) = element(set)?;
            let (kind, id, value) = element(pair)?;
            let (tag, value, _) = element(value)?;
            let mut part = encode(kind, id);
            part.extend(if STRINGS.contains(&tag) {
                let text = String::from_utf8_lossy(value).to_ascii_lowercase();
                let words: Vec<_> = text.split_ascii_whitespace().collect();
                encode(UTF8_STRING, words.join(" ").as_bytes())
            } else {
                encode(tag, value)
            });
            parts.extend(encode(SEQUENCE, &part));
            set = others;
        }
        out.extend(encode(SET, &parts));
        name = rest;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Subject `C=US, O=Example  Trust Services, CN=Local Root CA`, two spaces included.
    const PEM: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIB4zCCAYmgAwIBAgIUSgi/c1c4rx2UAYCI3Y/ocCsdWkowCgYIKoZIzj0EAwIw\n\
RzELMAkGA1UEBhMCVVMxIDAeBgNVBAoMF0V4YW1wbGUgIFRydXN0IFNlcnZpY2Vz\n\
MRYwFAYDVQQDDA1Mb2NhbCBSb290IENBMB4XDTI2MTEyNDExMDYwMVoXDTM2MTEy\n\
MTExMDYwMVowRzELMAkGA1UEBhMCVVMxIDAeBgNVBAoMF0V4YW1wbGUgIFRydXN0\n\
IFNlcnZpY2VzMRYwFAYDVQQDDA1Mb2NhbCBSb290IENBMFkwEwYHKoZIzj0CAQYI\n\
KoZIzj0DAQcDQgAEov7x5HLNy58mAqrm+JSYLrN3KkbShJhS6dkRbqigCBC38pc1\n\
4TVgCf1j19bvCnW6ceW3cEybQzZoX5ncjYomT6NTMFEwHQYDVR0OBBYEFI4cC4YS\n\
gEtQT6g0W3ex+xEm9gDVMB8GA1UdIwQYMBaAFI4cC4YSgEtQT6g0W3ex+xEm9gDV\n\
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAKyuE0HTpg+c/OY2\n\
r6VtHSBr0mKQBOqL8u2aLCT0On2BAiB/ebdGPz3CrtlAhzZ8nf69KsrpTRstOZvb\n\
nKMpZgQtqA==\n\
-----END CERTIFICATE-----\n\
";

    #[test]
    fn the_hash_is_what_openssl_computes() {
        assert_eq!(subject_hash(PEM).as_deref(), Some("cdb7dac2"));
    }

    #[test]
    fn certificates_of_this_machine_are_found_under_their_own_names() {
        let Ok(entries) = std::fs::read_dir("/etc/ssl/certs") else {
            return;
        };
        for entry in entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "0"))
        {
            let name = entry
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let pem = std::fs::read_to_string(entry.path()).unwrap();
            assert_eq!(subject_hash(&pem), Some(name));
        }
    }

    #[test]
    fn nonsense_has_no_hash() {
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nMIIB\n",
        ] {
            assert_eq!(subject_hash(text), None);
        }
    }
}
