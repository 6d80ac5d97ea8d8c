//! Every attack in every format that can carry it: named, and what follows is still read.

use crate::make::{
    Member, ZipMember, file, gzip, kinds, names, of_kind, read, tar, tar_without_end, zip, zip_file,
};
use crate::wrapped::{apk, ar, gem, xz};
use apa_archive::{Archive, Format};

/// A way to pack tar members into a format.
type Pack = fn(&[Member]) -> Vec<u8>;

fn in_gem(members: &[Member]) -> Vec<u8> {
    gem(&gzip(&tar(members)))
}

fn in_apk(members: &[Member]) -> Vec<u8> {
    let control = gzip(&tar_without_end(&[file(".PKGINFO", "pkgname = a\n")]));
    apk(b"x", &control, &gzip(&tar(members)))
}

fn deb(name: &str, data: &[u8]) -> Vec<u8> {
    let control = gzip(&tar(&[file("./control", "Package: a\n")]));
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &control),
        (name, data),
    ])
}

const PACKINGS: [(&str, Format, Pack); 7] = [
    ("tar", Format::Tar, tar),
    ("tar.gz", Format::TarGz, |members| gzip(&tar(members))),
    ("gem", Format::Gem, in_gem),
    ("apk", Format::Apk, in_apk),
    ("deb gz", Format::Deb, |members| {
        deb("data.tar.gz", &gzip(&tar(members)))
    }),
    ("deb xz", Format::Deb, |members| {
        deb("data.tar.xz", &xz(&tar(members)))
    }),
    ("deb zst", Format::Deb, |members| {
        deb(
            "data.tar.zst",
            &zstd::encode_all(&tar(members)[..], 1).unwrap(),
        )
    }),
];

#[track_caller]
fn assert_named(archive: &Archive, format: &str, attack: &str) {
    assert!(
        kinds(archive).contains(&attack),
        "{format}: {attack} is not among {:?}",
        kinds(archive)
    );
    let last = archive
        .file("last")
        .unwrap_or_else(|| panic!("{format}: {attack} hides what follows"));
    assert_eq!(&*last.bytes, b"end", "{format}: {attack}");
    for entry in &archive.entries {
        let safe = entry.safe_path.as_deref().unwrap_or("x");
        assert!(
            !safe.starts_with('/') && !safe.split('/').any(|part| part == ".."),
            "{safe}"
        );
    }
}

fn attacks() -> Vec<(&'static str, Vec<Member>)> {
    let named = |name: &str| vec![file(name, "x")];
    vec![
        ("path-traversal", named("../../../etc/cron.d/x")),
        ("path-traversal", named("a/../../x")),
        ("absolute-path", named("/etc/passwd")),
        ("windows-path", named("C:\\Windows\\x")),
        ("windows-path", named("..\\..\\x")),
        ("control-character-name", named("a\nb")),
        ("misleading-name", named("a\u{202e}gpj.sh")),
        (
            "case-collision",
            vec![file("Lib/a", "1"), file("lib/a", "2")],
        ),
        (
            "duplicate-entry",
            vec![file("twice", "1"), file("twice", "2")],
        ),
        ("symlink-leaves", vec![of_kind(b'2', "a", "/etc")]),
        ("symlink-leaves", vec![of_kind(b'2', "d/a", "../../x")]),
        (
            "hardlink-leaves",
            vec![of_kind(b'1', "a", "../../etc/shadow")],
        ),
        (
            "write-through-symlink",
            vec![of_kind(b'2', "a", "b"), file("a/x", "1")],
        ),
        ("special-file", vec![of_kind(b'3', "dev", "")]),
        ("special-file", vec![of_kind(b'6', "pipe", "")]),
        (
            "setuid",
            vec![Member {
                mode: 0o4755,
                ..file("su", "x")
            }],
        ),
        (
            "size-mismatch",
            vec![crate::make::pax("size", b"3"), file("a", "xx")],
        ),
    ]
}

#[test]
fn every_attack_in_tar_is_named_in_every_format_that_wraps_it() {
    for (format, expected, pack) in PACKINGS {
        for (attack, mut members) in attacks() {
            members.push(file("last", "end"));
            let archive = read(&pack(&members));
            assert_eq!(archive.format, expected, "{format}");
            assert_named(&archive, format, attack);
        }
    }
}

#[test]
fn the_same_attacks_in_zip_are_named() {
    let stored = |name: &str| vec![zip_file(name, "x")];
    let link = |name: &str, target: &str| ZipMember {
        mode: 0o120_777,
        ..zip_file(name, target)
    };
    for (attack, mut members) in [
        ("path-traversal", stored("../../x")),
        ("absolute-path", stored("/etc/passwd")),
        ("windows-path", stored("..\\..\\x")),
        ("misleading-name", stored("a\u{202e}b")),
        (
            "case-collision",
            vec![zip_file("A", "1"), zip_file("a", "2")],
        ),
        (
            "duplicate-entry",
            vec![zip_file("a", "1"), zip_file("a", "2")],
        ),
        ("symlink-leaves", vec![link("a", "../../etc")]),
        (
            "write-through-symlink",
            vec![link("a", "b"), zip_file("a/x", "1")],
        ),
        (
            "special-file",
            vec![ZipMember {
                mode: 0o010_644,
                ..zip_file("pipe", "")
            }],
        ),
        (
            "setuid",
            vec![ZipMember {
                mode: 0o104_755,
                ..zip_file("su", "x")
            }],
        ),
        (
            "local-header-mismatch",
            vec![ZipMember {
                local: "shown".into(),
                ..zip_file("used", "x")
            }],
        ),
        (
            "size-mismatch",
            vec![ZipMember {
                stated: Some(9),
                ..zip_file("a", "x")
            }],
        ),
        (
            "checksum-mismatch",
            vec![ZipMember {
                crc: Some(1),
                ..zip_file("a", "x")
            }],
        ),
        (
            "encrypted-entry",
            vec![ZipMember {
                flags: 1,
                ..zip_file("a", "x")
            }],
        ),
        (
            "unknown-method",
            vec![ZipMember {
                method: 99,
                ..zip_file("a", "x")
            }],
        ),
    ] {
        members.push(zip_file("last", "end"));
        assert_named(&read(&zip(&members)), "zip", attack);
    }
}

#[test]
fn readers_of_one_member_and_of_all_are_told_apart() {
    // What some readers take for the whole archive, and what follows it for others.
    let shown = tar(&[file("shown", "1")]);
    let hidden = tar(&[file("last", "end")]);
    let both = [gzip(&shown), gzip(&hidden)].concat();
    let archive = read(&both);
    assert!(
        kinds(&archive).contains(&"extra-gzip-member"),
        "{:?}",
        kinds(&archive)
    );
    assert!(
        kinds(&archive).contains(&"trailing-data"),
        "{:?}",
        kinds(&archive)
    );
    let nested = read(&deb("data.tar.gz", &both));
    assert!(
        kinds(&nested).contains(&"extra-gzip-member"),
        "{:?}",
        kinds(&nested)
    );
    let gem = read(&gem(&both));
    assert!(
        kinds(&gem).contains(&"extra-gzip-member"),
        "{:?}",
        kinds(&gem)
    );
    assert_eq!(names(&gem), ["shown"]);
}
