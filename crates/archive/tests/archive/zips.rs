//! Zip archives: contradictions between headers are recorded and never hide the rest.

use crate::make::{ZipMember, assert_odd, kinds, names, read, zip, zip_file};
use apa_archive::{EntryKind, Format};

fn before_last(members: impl IntoIterator<Item = ZipMember>) -> Vec<u8> {
    zip(&members
        .into_iter()
        .chain([zip_file("last", "end")])
        .collect::<Vec<_>>())
}

#[test]
fn an_ordinary_wheel_has_no_anomaly() {
    let archive = read(&zip(&[
        ZipMember {
            method: 8,
            ..zip_file("demo/__init__.py", "x = 1\n")
        },
        zip_file("demo-1.dist-info/RECORD", ""),
    ]));
    assert_eq!(archive.format, Format::Zip);
    assert_eq!(kinds(&archive), [""; 0]);
    assert!(archive.complete);
    assert_eq!(
        &*archive.file("demo/__init__.py").unwrap().bytes,
        b"x = 1\n"
    );
    assert_eq!(archive.entries[0].mode, 0o644);
}

#[test]
fn archives_of_a_library_read_the_same() {
    use std::io::{Cursor, Write};
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for large in [false, true] {
        let options = ::zip::write::SimpleFileOptions::default().large_file(large);
        writer.start_file(format!("{large}"), options).unwrap();
        writer.write_all(b"content").unwrap();
    }
    let plain = ::zip::write::SimpleFileOptions::default();
    writer.add_symlink("link", "true", plain).unwrap();
    writer.add_directory("folder", plain).unwrap();
    let archive = read(&writer.finish().unwrap().into_inner());
    assert_eq!(kinds(&archive), [""; 0]);
    assert_eq!(names(&archive), ["false", "true", "link", "folder/"]);
    assert_eq!(&*archive.file("true").unwrap().bytes, b"content");
    assert_eq!(
        archive.entries[2].kind,
        EntryKind::Symlink {
            target: "true".into()
        }
    );
    assert_eq!(archive.entries[3].kind, EntryKind::Directory);
}

#[test]
fn what_is_odd_about_one_entry_does_not_hide_the_rest() {
    let odd = |change: fn(&mut ZipMember)| {
        let mut member = zip_file("a", "x");
        change(&mut member);
        before_last([member])
    };
    for (bytes, kind, complete) in [
        (before_last([zip_file("../x", "1")]), "path-traversal", true),
        (before_last([zip_file("/x", "1")]), "absolute-path", true),
        (
            before_last([zip_file("last", "other")]),
            "duplicate-entry",
            true,
        ),
        (odd(|m| m.mode = 0o120_777), "", true),
        (odd(|m| m.mode = 0o104_755), "setuid", true),
        (odd(|m| m.mode = 0o020_644), "special-file", true),
        (odd(|m| m.local = "b".into()), "local-header-mismatch", true),
        (odd(|m| m.stated = Some(9)), "size-mismatch", true),
        (odd(|m| m.crc = Some(1)), "checksum-mismatch", true),
        (odd(|m| m.flags = 1), "encrypted-entry", false),
        (odd(|m| m.method = 99), "unknown-method", false),
    ] {
        if kind.is_empty() {
            assert_eq!(kinds(&read(&bytes)), [""; 0]);
        } else {
            assert_odd(&bytes, kind, complete);
        }
    }
    let mut leaving = zip_file("a", "../../etc/passwd");
    leaving.mode = 0o120_777;
    assert_odd(&before_last([leaving]), "symlink-leaves", true);
}

#[test]
fn bytes_around_and_between_entries_are_recorded() {
    let plain = before_last([]);
    let mut prefixed = b"#!/bin/sh\n".to_vec();
    prefixed.extend(&plain);
    let archive = read(&prefixed);
    assert_eq!(kinds(&archive), ["prefix-data", "hidden-data"]);
    assert_eq!(&*archive.file("last").unwrap().bytes, b"end");

    let mut suffixed = plain.clone();
    suffixed.extend(b"junk");
    assert_odd(&suffixed, "suffix-data", true);

    // An entry whose record was taken out of the directory.
    let mut two = zip(&[zip_file("hidden", &"x".repeat(64)), zip_file("last", "end")]);
    let end = two.len() - 22;
    let record = 46 + "hidden".len();
    let directory = end - record - 46 - "last".len();
    two.drain(directory..directory + record);
    let end = end - record;
    two[end + 8] = 1;
    two[end + 10] = 1;
    two[end + 12] = (46 + "last".len()) as u8;
    assert_odd(&two, "hidden-data", true);
}

#[test]
fn two_records_for_the_same_bytes_overlap() {
    let mut bytes = zip(&[zip_file("same", "end"), zip_file("last", "end")]);
    let second = bytes.len() - 22 - 4 - 4;
    bytes[second..second + 4].copy_from_slice(&[0; 4]);
    let archive = read(&bytes);
    assert!(
        kinds(&archive).contains(&"overlapping-entries"),
        "{:?}",
        kinds(&archive)
    );
    assert!(kinds(&archive).contains(&"local-header-mismatch"));
}

#[test]
fn a_bomb_in_front_does_not_hide_what_follows() {
    let bomb = ZipMember {
        method: 8,
        ..zip_file("bomb", &"\0".repeat(30 << 20))
    };
    let archive = assert_odd(&before_last([bomb]), "ratio-limit", false);
    assert!(archive.entries[0].size < 12 << 20);
}

#[test]
fn a_truncated_zip_is_incomplete_not_an_error() {
    let bytes = before_last([zip_file("a", "x")]);
    let archive = read(&bytes[..bytes.len() - 30]);
    assert_eq!(kinds(&archive), ["truncated-archive"]);
    assert!(!archive.complete);
}
