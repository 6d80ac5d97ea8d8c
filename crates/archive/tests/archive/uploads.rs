//! Files as people upload them: programs, kinds that cannot be run, samples behind a password.

use std::io::Write;

use apa_archive::{Format, Limits, read_bytes, unseal};
use zip::unstable::write::FileOptionsExt as _;
use zip::write::SimpleFileOptions;
use zip::{AesMode, ZipWriter};

#[test]
fn a_program_is_the_only_entry_of_itself() {
    for (name, bytes) in [
        ("a.bin", &b"\x7fELF\x02\x01"[..]),
        ("dir/run", b"#!/bin/sh\nexit 0\n"),
        ("b.py", b"print(1)\n"),
        ("c.phar", b"<?php __HALT_COMPILER();"),
    ] {
        let archive = read_bytes(bytes, name, &Limits::default()).unwrap();
        assert_eq!(archive.format, Format::Program, "{name}");
        let base = name.rsplit('/').next().unwrap();
        assert_eq!(&*archive.file(base).unwrap().bytes, bytes);
        assert!(archive.complete && archive.anomalies.is_empty());
    }
}

#[test]
fn what_cannot_be_run_here_is_named() {
    for (bytes, name) in [
        (&b"MZ\x90\0"[..], "a Windows program (.exe, .dll)"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "a Windows installer or document (.msi, .doc)",
        ),
        (b"\xed\xab\xee\xdb\x03", "an RPM package"),
        (b"ADBd\0\0\0", "format version 3"),
        (b"\xcf\xfa\xed\xfe\x07", "a macOS program"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    ] {
        // Also when the name says that it is something else.
        let error = read_bytes(bytes, "a.sh", &Limits::default()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

fn sealed(files: &[(&str, &[u8])], options: SimpleFileOptions) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = ZipWriter::new(file.reopen().unwrap());
    for (name, bytes) in files {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    file
}

fn options(aes: bool, password: &'static [u8]) -> SimpleFileOptions {
    let options = SimpleFileOptions::default();
    if aes {
        options.with_aes_encryption_bytes(AesMode::Aes256, password)
    } else {
        options.with_deprecated_encryption(password).unwrap()
    }
}

#[test]
fn a_sample_behind_a_known_password_is_unwrapped() {
    let passwords = ["wrong", "infected"].map(str::to_owned);
    let limits = Limits::default();
    for aes in [false, true] {
        let file = sealed(&[("dir/a.tgz", b"sample")], options(aes, b"infected"));
        let found = unseal(file.path(), &passwords, &limits).unwrap().unwrap();
        assert_eq!(
            (found.name.as_str(), &found.bytes[..]),
            ("a.tgz", &b"sample"[..])
        );
        let other = sealed(&[("a.tgz", b"sample")], options(aes, b"secret"));
        let error = unseal(other.path(), &passwords, &limits).unwrap_err();
        assert!(error.to_string().contains("--password"), "{error}");
        let many = sealed(&[("a", b"1"), ("b", b"2")], options(aes, b"infected"));
        let error = unseal(many.path(), &passwords, &limits).unwrap_err();
        assert!(error.to_string().contains("2 files"), "{error}");
    }
    let open = sealed(&[("a", b"1")], SimpleFileOptions::default());
    assert_eq!(unseal(open.path(), &passwords, &limits).unwrap(), None);
    let none = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(unseal(none.path(), &passwords, &limits).unwrap(), None);
}

#[test]
fn a_bomb_behind_a_password_stops_at_the_limit() {
    let limits = Limits {
        archive_bytes: 1 << 20,
        ..Limits::default()
    };
    let bomb = vec![0; 4 << 20];
    let file = sealed(&[("a", &bomb)], options(true, b"infected"));
    let error = unseal(file.path(), &["infected".to_owned()], &limits).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
}
