//! Formats that wrap their files: gems, Alpine and Debian packages.

use crate::make::{Member, file, gzip, kinds, names, pax, read, tar, tar_without_end};
use apa_archive::{Archive, Format, Limits};
use sha2::{Digest as _, Sha256};

fn bytes(name: &str, data: Vec<u8>) -> Member {
    Member {
        data,
        ..file(name, "")
    }
}

pub(crate) fn gem(data: &[u8]) -> Vec<u8> {
    tar(&[
        bytes(
            "metadata.gz",
            gzip(b"--- !ruby/object:Gem::Specification\n"),
        ),
        bytes("data.tar.gz", data.to_vec()),
        bytes("checksums.yaml.gz", gzip(b"---\n")),
        file("metadata.gz.sig", "signature"),
    ])
}

pub(crate) fn apk(signature: &[u8], control: &[u8], data: &[u8]) -> Vec<u8> {
    [
        gzip(&tar_without_end(&[bytes(
            ".SIGN.RSA.key.pub",
            signature.to_vec(),
        )])),
        control.to_vec(),
        data.to_vec(),
    ]
    .concat()
}

pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, data) in members {
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            data.len()
        );
        out.extend(header.bytes());
        out.extend(*data);
        if out.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn content<'a>(archive: &'a Archive, part: &str) -> &'a [u8] {
    archive.part(part).unwrap().content.as_deref().unwrap()
}

#[test]
fn a_gem_shows_its_files_and_its_members() {
    let data = gzip(&tar(&[file("lib/a.rb", "1"), file("ext/extconf.rb", "2")]));
    let bytes = gem(&data);
    let archive = read(&bytes);
    assert_eq!(archive.format, Format::Gem);
    assert_eq!(kinds(&archive), [""; 0]);
    assert_eq!(names(&archive), ["lib/a.rb", "ext/extconf.rb"]);
    assert!(content(&archive, "metadata.gz").starts_with(b"--- !ruby"));
    assert_eq!(content(&archive, "metadata.gz.sig"), b"signature");
    let part = archive.part("data.tar.gz").unwrap();
    assert_eq!(
        (part.sha256.clone(), part.entries.clone()),
        (sha256(&data), 0..2)
    );
    let from = usize::try_from(part.offset).unwrap();
    assert_eq!(&bytes[from..from + data.len()], &data[..]);
    assert_eq!(part.raw.as_deref(), Some(&data[..]));
}

#[test]
fn what_is_odd_inside_or_around_a_gem_is_recorded() {
    let mut data = gzip(&tar(&[file("../../x", "1")]));
    let archive = read(&gem(&data));
    assert_eq!(kinds(&archive), ["path-traversal"]);
    data.extend(b"junk");
    assert!(kinds(&read(&gem(&data))).contains(&"suffix-data"));
    let twice = tar(&[
        bytes("metadata.gz", gzip(b"a")),
        bytes("data.tar.gz", gzip(&tar(&[file("shown", "")]))),
        bytes("data.tar.gz", gzip(&tar(&[file("used", "")]))),
    ]);
    let archive = read(&twice);
    assert_eq!(kinds(&archive), ["duplicate-entry"]);
    assert_eq!(names(&archive), ["shown", "used"]);
    let bomb = gzip(&tar(&[file("a", &"\0".repeat(30 << 20))]));
    let archive = read(&gem(&bomb));
    assert_eq!(
        (kinds(&archive), archive.complete),
        (vec!["ratio-limit"], false)
    );
    let metadata = tar(&[
        bytes("metadata.gz", gzip(&vec![b' '; 9 << 20])),
        bytes("data.tar.gz", gzip(&tar(&[file("a", "")]))),
    ]);
    let archive = read(&metadata);
    assert_eq!(
        (kinds(&archive), archive.complete),
        (vec!["unpacked-limit"], false)
    );
}

#[test]
fn an_alpine_package_shows_where_its_members_are() {
    let control = gzip(&tar_without_end(&[
        file(".PKGINFO", "pkgname = a\n"),
        file(".post-install", "#!/bin/sh\n"),
    ]));
    let sum = b"2fd4e1c67a2d28fced849ee1bb76e7391b93eb12";
    let data = gzip(&tar(&[
        pax("APK-TOOLS.checksum.SHA1", sum),
        file("usr/bin/a", "run"),
        file(".PKGINFO", "not this one"),
    ]));
    let archive = read(&apk(b"rsa", &control, &data));
    assert_eq!(archive.format, Format::Apk);
    assert!(archive.complete);
    assert_eq!(kinds(&archive), ["duplicate-entry"]);
    let roles: Vec<_> = archive
        .parts
        .iter()
        .map(|part| part.name.to_string())
        .collect();
    assert_eq!(roles, ["signature", "control", "data"]);
    let part = archive.part("control").unwrap();
    assert_eq!(part.raw.as_deref(), Some(&control[..]));
    assert_eq!(
        &*archive.entries[part.entries.clone()][1].bytes,
        b"#!/bin/sh\n"
    );
    assert_eq!(archive.part("data").unwrap().sha256, sha256(&data));
    let entry = archive.file("usr/bin/a").unwrap();
    assert_eq!(
        entry.record("APK-TOOLS.checksum.SHA1").unwrap().as_bytes(),
        sum
    );
}

#[test]
fn members_behind_the_end_of_an_alpine_package_are_read_and_recorded() {
    let control = gzip(&tar(&[file(".PKGINFO", "")]));
    let data = gzip(&tar(&[file("a", "")]));
    let archive = read(&apk(b"", &control, &data));
    assert_eq!(kinds(&archive), ["extra-gzip-member"]);
    assert_eq!(names(&archive), [".SIGN.RSA.key.pub", ".PKGINFO", "a"]);
    let control = gzip(&tar_without_end(&[file(".PKGINFO", "")]));
    let mut junk = apk(b"", &control, &data);
    junk.extend(b"junk");
    assert_eq!(kinds(&read(&junk)), ["suffix-data"]);
    let cut = apk(b"", &control, &data[..data.len() - 9]);
    let archive = read(&cut);
    assert_eq!(
        (kinds(&archive), archive.complete),
        (vec!["truncated-archive"], false)
    );
}

#[test]
fn a_debian_package_shows_its_scripts_below_a_folder_of_their_own() {
    let control = tar(&[
        file("./control", "Package: a\n"),
        file("./postinst", "#!/bin/sh\n"),
    ]);
    let data = tar(&[file("./usr/bin/a", "run")]);
    let xz_data = xz(&data);
    let zst = zstd::encode_all(&data[..], 1).unwrap();
    for (control_name, control, data_name, data) in [
        ("control.tar.gz", gzip(&control), "data.tar.xz", xz_data),
        ("control.tar", control.clone(), "data.tar.zst", zst),
    ] {
        let bytes = ar(&[
            ("debian-binary", b"2.0\n"),
            (control_name, &control),
            (data_name, &data),
        ]);
        let archive = read(&bytes);
        assert_eq!(archive.format, Format::Deb);
        assert_eq!(kinds(&archive), [""; 0], "{data_name}");
        assert_eq!(
            names(&archive),
            ["DEBIAN/./control", "DEBIAN/./postinst", "./usr/bin/a"]
        );
        assert_eq!(
            &*archive.file("DEBIAN/postinst").unwrap().bytes,
            b"#!/bin/sh\n"
        );
        assert_eq!(&*archive.file("usr/bin/a").unwrap().bytes, b"run");
        assert_eq!(content(&archive, "debian-binary"), b"2.0\n");
    }
}

/// An xz stream as the reference tool makes it.
pub(crate) fn xz(data: &[u8]) -> Vec<u8> {
    use lzma_rust2::{XzOptions, XzWriter};
    let mut writer = XzWriter::new(Vec::new(), XzOptions::default()).unwrap();
    std::io::Write::write_all(&mut writer, data).unwrap();
    writer.finish().unwrap()
}

#[test]
fn what_a_debian_package_hides_is_recorded() {
    let data = gzip(&tar(&[file("a", "")]));
    let twice = ar(&[
        ("debian-binary", b"2.0\n"),
        ("data.tar.gz", &data),
        ("data.tar.gz", &data),
    ]);
    assert!(kinds(&read(&twice)).contains(&"duplicate-entry"));
    let odd = ar(&[("debian-binary", b"2.0\n"), ("data.tar.lzma", &data)]);
    let archive = read(&odd);
    assert_eq!(
        (kinds(&archive), archive.complete),
        (vec!["unknown-method"], false)
    );
    let whole = ar(&[("debian-binary", b"2.0\n"), ("data.tar.gz", &data)]);
    let archive = read(&whole[..whole.len() - 20]);
    assert!(!archive.complete);
    for bomb in [
        xz(&vec![0; 30 << 20]),
        zstd::encode_all(&vec![0; 30 << 20][..], 1).unwrap(),
    ] {
        let name = if bomb.starts_with(b"\xfd7zXZ") {
            "data.tar.xz"
        } else {
            "data.tar.zst"
        };
        let bytes = ar(&[("debian-binary", b"2.0\n"), (name, &bomb)]);
        let archive = read(&bytes);
        assert_eq!(
            (kinds(&archive), archive.complete),
            (vec!["ratio-limit"], false),
            "{name}"
        );
    }
}

#[test]
fn archives_among_the_files_are_opened_within_one_budget() {
    let jar = crate::make::zip(&[crate::make::zip_file("A.class", "cafebabe")]);
    let text = |name: &str, data: &[u8]| crate::make::ZipMember {
        data: data.to_vec(),
        ..crate::make::zip_file(name, "")
    };
    let war = crate::make::zip(&[
        text("WEB-INF/lib/a.jar", &jar),
        text("WEB-INF/readme.txt", b"text"),
        text("odd\x1b.bin", &gzip(&tar(&[bytes("b.zip", jar.clone())]))),
    ]);
    let nested = read(&war).nested(&Limits::default());
    let paths: Vec<_> = nested
        .found
        .iter()
        .map(|one| one.path.to_string())
        .collect();
    assert_eq!(
        paths,
        [
            "WEB-INF/lib/a.jar",
            "odd\\u{1b}.bin",
            "odd\\u{1b}.bin!/b.zip"
        ]
    );
    assert!(!nested.cut && nested.found[2].archive.file("A.class").is_some());
    let small = Limits {
        entries: 1,
        ..Limits::default()
    };
    let nested = read(&war).nested(&small);
    assert!(nested.cut && nested.found.len() == 1);
    let deep = (0..8).fold(jar, |inner, _| crate::make::zip(&[text("x", &inner)]));
    let nested = read(&deep).nested(&Limits::default());
    assert_eq!((nested.found.len(), nested.cut), (4, true));
}

#[test]
fn an_alpine_package_of_the_next_format_is_named() {
    let error = apa_archive::read_bytes(b"ADBd\0\0\0", "a.apk", &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("format version 3"), "{error}");
}
