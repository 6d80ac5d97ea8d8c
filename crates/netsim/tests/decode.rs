//! The matcher finds secrets through any short composition of encoders, and never in anything else.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use apa_model::{Canary, CanaryKind};
use apa_netsim::decode::Matcher;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use flate2::Compression;
use proptest::prelude::*;

const TOKEN: &str = "npm_q7Zr4TkX9mWb2LsV8nHc3JyD5pGf6A1eUo0K";
const SHORT: &str = "AKIAQ3Z7XK4M2PVN";
const KEY_BODY: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n\
QyNTUxOQAAACDx7kQm2Zt9vLr4WcBn8sHfYp3GdJ6uKeAoXi5TqMbVzwAAAJh2c9RrWk5U\n\
ZXN0S2V5T25seU5vdFJlYWxBdEFsbDEyMzQ1Njc4OTBhYmNkZWZnaGlqa2xtbm9wcXJzdHV";

fn canary(id: &str, secret: &str) -> Canary {
    Canary {
        id: id.to_owned(),
        kind: CanaryKind::NpmToken,
        planted_at: "/home/someone/.npmrc".to_owned(),
        secrets: vec![secret.to_owned()],
    }
}

fn matcher() -> Matcher {
    Matcher::new(&[
        canary("token", TOKEN),
        canary("short", SHORT),
        canary("key", KEY_BODY),
    ])
}

fn layers(bytes: &[u8]) -> Vec<String> {
    let hits = matcher().scan(bytes, "t");
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert!(hits[0].excerpt.len() <= 120);
    hits[0].layers.clone()
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|b| format!("{b:02x}").into_bytes())
        .collect()
}

fn base32(bytes: &[u8]) -> Vec<u8> {
    let bits: String = bytes.iter().map(|b| format!("{b:08b}")).collect();
    bits.as_bytes()
        .chunks(5)
        .map(|five| {
            let text = format!("{:0<5}", std::str::from_utf8(five).unwrap());
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from_str_radix(&text, 2).unwrap()]
        })
        .collect()
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() {
            out.push(*byte);
        } else {
            out.extend(format!("%{byte:02X}").into_bytes());
        }
    }
    out
}

fn json(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"{\"data\": \"".to_vec();
    for byte in bytes {
        match byte {
            b'"' | b'\\' | b'/' => out.extend([b'\\', *byte]),
            b'\n' => out.extend(b"\\n"),
            b' '..=b'~' => out.push(*byte),
            other => out.extend(format!("\\u{other:04x}").into_bytes()),
        }
    }
    out.extend(b"\"}");
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let encoded = STANDARD.encode(bytes);
    encoded
        .as_bytes()
        .chunks(76)
        .flat_map(|line| [line, b"\r\n"].concat())
        .collect()
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

type Encoder = fn(&[u8]) -> Vec<u8>;

/// Encoders whose output any byte string survives.
const ENCODERS: &[(&str, Encoder)] = &[
    ("base64", |b| STANDARD.encode(b).into_bytes()),
    ("base64 url", |b| URL_SAFE.encode(b).into_bytes()),
    ("base64 unpadded", |b| {
        STANDARD_NO_PAD.encode(b).into_bytes()
    }),
    ("base64 url unpadded", |b| {
        URL_SAFE_NO_PAD.encode(b).into_bytes()
    }),
    ("base64 wrapped", wrapped),
    ("hex", hex),
    ("base32", base32),
    ("percent", percent),
    ("reversed", reversed),
    ("gzip", gzip),
    ("zlib", zlib),
    ("deflate", deflate),
];

#[test]
fn each_encoder_alone_names_its_layer() {
    let text = format!("registry token is {TOKEN} ok");
    let text = text.as_bytes();
    assert_eq!(layers(text), ["t"]);
    assert_eq!(layers(&STANDARD.encode(text).into_bytes()), ["t", "base64"]);
    assert_eq!(layers(&wrapped(text)), ["t", "base64"]);
    assert_eq!(layers(&hex(text)), ["t", "hex"]);
    assert_eq!(layers(&base32(text)), ["t", "base32"]);
    let every: String = text.iter().map(|b| format!("%{b:02x}")).collect();
    assert_eq!(layers(every.as_bytes()), ["t", "url"]);
    assert_eq!(layers(&gzip(text)), ["t", "gzip"]);
    assert_eq!(layers(&zlib(text)), ["t", "zlib"]);
    assert_eq!(layers(&deflate(text)), ["t", "deflate"]);
    assert_eq!(layers(&reversed(text)), ["t", "reversed"]);
    assert_eq!(layers(&json(text)), ["t", "json"]);
}

#[test]
fn nested_layers_are_named_from_the_outside_in() {
    let inner = STANDARD.encode(gzip(TOKEN.as_bytes()));
    assert_eq!(
        layers(&json(inner.as_bytes())),
        ["t", "json", "base64", "gzip"]
    );
    let form = format!("a=1&key={}&b=2", STANDARD.encode(STANDARD.encode(TOKEN)));
    assert_eq!(layers(form.as_bytes()), ["t", "form", "base64", "base64"]);
    let quoted = json(&json(
        b"line\n"
            .iter()
            .chain(SHORT.as_bytes())
            .copied()
            .collect::<Vec<_>>()
            .as_slice(),
    ));
    assert_eq!(layers(&quoted), ["t", "json"]);
}

#[test]
fn a_secret_under_any_single_byte_key_is_found() {
    for key in 1..=255_u8 {
        let text: Vec<u8> = format!("x {SHORT} y").bytes().map(|b| b ^ key).collect();
        assert_eq!(layers(&text).last().unwrap(), "xor", "key {key}");
        let hits = matcher().scan(&text, "t");
        assert_eq!(
            hits[0].excerpt.as_bytes(),
            format!("x {SHORT} y").as_bytes()
        );
    }
}

#[test]
fn multipart_zip_and_utf16_are_opened() {
    let part = [
        b"--XyZ\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n".to_vec(),
        zlib(TOKEN.as_bytes()),
        b"\r\n--XyZ--\r\n".to_vec(),
    ];
    assert_eq!(layers(&part.concat()), ["t", "multipart", "zlib"]);
    let packed = deflate(TOKEN.as_bytes());
    let mut member =
        b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.txt".to_vec();
    member.extend(packed);
    assert_eq!(layers(&member), ["t", "zip"]);
    let wide: Vec<u8> = TOKEN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        layers(&STANDARD.encode(wide).into_bytes()),
        ["t", "base64", "utf-16"]
    );
}

#[test]
fn a_rewrapped_key_and_a_single_line_of_it_count() {
    let joined = KEY_BODY.replace('\n', "");
    assert_eq!(layers(joined.as_bytes()), ["t"]);
    let narrow: Vec<u8> = joined
        .as_bytes()
        .chunks(19)
        .flat_map(|l| [l, b"\n"].concat())
        .collect();
    assert_eq!(layers(&narrow), ["t", "unwrapped"]);
    let line = KEY_BODY.lines().nth(1).unwrap();
    assert_eq!(layers(line.as_bytes()), ["t"]);
    let middle = &line[20..44];
    assert_eq!(layers(middle.as_bytes()), ["t"]);
    assert!(matcher().scan(&line.as_bytes()[20..43], "t").is_empty());
}

#[test]
fn what_every_key_file_has_is_no_proof() {
    let first = KEY_BODY.lines().next().unwrap();
    let text = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{first}\n");
    assert_eq!(matcher().scan(text.as_bytes(), "t"), []);
}

#[test]
fn hexadecimal_with_separators_is_read() {
    for (gap, prefix) in [(":", ""), (" ", ""), (", ", "0x")] {
        let text: Vec<String> = TOKEN.bytes().map(|b| format!("{prefix}{b:02x}")).collect();
        assert_eq!(layers(text.join(gap).as_bytes()), ["t", "hex"]);
    }
    let escaped: String = TOKEN.bytes().map(|b| format!("\\x{b:02x}")).collect();
    assert_eq!(layers(escaped.as_bytes()), ["t", "json"]);
}

#[test]
fn a_decompression_bomb_ends_in_a_budget_that_is_reported() {
    let bomb = gzip(&vec![b'a'; 17 << 20]);
    let scan = matcher().search(&bomb, "t");
    assert!(scan.gave_up);
    assert!(scan.hits.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_three_encoders_over_text_with_a_secret_are_undone(
        before in "[ -~]{0,40}",
        after in "[ -~]{0,40}",
        chain in prop::collection::vec(0..ENCODERS.len(), 0..=3),
        wrapping in 0..3,
        secret in prop::sample::select(vec![TOKEN, SHORT, KEY_BODY]),
    ) {
        let mut bytes = format!("{before} {secret} {after}").into_bytes();
        let names: Vec<&str> = chain.iter().map(|&index| ENCODERS[index].0).collect();
        for index in chain {
            bytes = ENCODERS[index].1(&bytes);
        }
        bytes = match wrapping {
            1 if bytes.is_ascii() => json(&bytes),
            2 => [b"a=1&data=".to_vec(), percent(&bytes)].concat(),
            _ => bytes,
        };
        let hits = matcher().scan(&bytes, "t");
        prop_assert_eq!(hits.len(), 1, "{:?}: {:?}", names, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_bytes_and_random_text_never_hit(bytes: Vec<u8>, text in "[A-Za-z0-9+/=%&\\\\ \n]{0,2000}") {
        prop_assert_eq!(matcher().scan(&bytes, "t"), vec![]);
        prop_assert_eq!(matcher().scan(text.as_bytes(), "t"), vec![]);
    }
}
