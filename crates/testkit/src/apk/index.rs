use std::io::{Cursor, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::GzDecoder;
use sha1::{Digest as _, Sha1};

use super::{IN_MEMORY, Sign, append, gzip, signature};

/// `APKINDEX.tar.gz` of these package files.
///
/// # Panics
/// When one of them is no package.
pub fn apk_index<'a>(packages: impl IntoIterator<Item = &'a [u8]>, sign: Sign) -> Vec<u8> {
    let text: String = packages.into_iter().map(record).collect();
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "DESCRIPTION", b"test repository", 0o644);
    append(&mut tar, "APKINDEX", text.as_bytes(), 0o644);
    let index = gzip(&tar.into_inner().expect(IN_MEMORY));
    [signature(sign, &index), index].concat()
}

/// What `apk index` writes about a package: from its control member alone.
fn record(bytes: &[u8]) -> String {
    let mut rest = bytes;
    let (mut info, mut raw) = read_member(&mut rest);
    while info.is_none() {
        assert!(!rest.is_empty(), "the package holds a .PKGINFO");
        (info, raw) = read_member(&mut rest);
    }
    let checksum = STANDARD.encode(Sha1::digest(raw));
    let mut record = format!("C:Q1{checksum}\n");
    let info = info.unwrap_or_default();
    let all = |wanted: &str| -> Vec<&str> {
        info.lines()
            .filter_map(|line| line.split_once(" = "))
            .filter(|(key, _)| *key == wanted)
            .map(|(_, value)| value)
            .collect()
    };
    for (letter, key) in [
        ("P", "pkgname"),
        ("V", "pkgver"),
        ("A", "arch"),
        ("o", "origin"),
        ("t", "builddate"),
        ("c", "commit"),
        ("k", "provider_priority"),
        ("D", "depend"),
        ("p", "provides"),
        ("i", "install_if"),
    ] {
        let values = all(key);
        if !values.is_empty() {
            record.push_str(&format!("{letter}:{}\n", values.join(" ")));
        }
    }
    record.push_str(&format!("S:{}\n\n", bytes.len()));
    record
}

/// The `.PKGINFO` of a gzip member, if it has one, and its packed bytes.
fn read_member<'a>(rest: &mut &'a [u8]) -> (Option<String>, &'a [u8]) {
    let before = *rest;
    let mut decoder = GzDecoder::new(Cursor::new(before));
    let mut tar = Vec::new();
    decoder
        .read_to_end(&mut tar)
        .expect("the member is whole gzip data");
    let used = usize::try_from(decoder.into_inner().position()).expect("it lies in memory");
    *rest = &before[used..];
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut info = None;
    for entry in archive.entries().expect(IN_MEMORY) {
        let mut entry = entry.expect("the member is a tar archive");
        if entry.path_bytes().as_ref() == b".PKGINFO" {
            let mut text = String::new();
            entry.read_to_string(&mut text).expect(IN_MEMORY);
            info = Some(text);
            break;
        }
    }
    (info, &before[..used])
}
