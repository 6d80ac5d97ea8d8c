//! Whole packages and indexes: what is signed, what was changed since, and what other programs make of the same bytes.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use apa_apk::{FileKind, Index, Keys, Package, Signature, verify};
use apa_archive::{Archive, Format, Limits};
use apa_testkit::{APK_KEY, APK_KEY_NAME, ApkPackage, Sign, apk_index};

fn package() -> ApkPackage {
    ApkPackage::new("tool", "1.2-r3")
        .line("depend = so:libc.musl-x86_64.so.1")
        .line("provides = cmd:tool=1.2-r3")
        .script("post-install", "#!/bin/sh\nexit 0\n")
        .program("usr/bin/tool", "#!/bin/sh\necho tool\n")
        .link("usr/bin/alias", "tool")
        .file("usr/share/tool/data", "data\n")
}

fn read(bytes: &[u8]) -> Archive {
    apa_archive::read_bytes(bytes, "x.apk", &Limits::default()).unwrap()
}

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.add(APK_KEY_NAME, APK_KEY).unwrap();
    keys
}

fn signature(sign: Sign) -> Signature {
    verify(&read(&package().sign(sign).build()), &keys()).signature
}

#[test]
fn signatures_of_both_kinds_are_told_from_none_unknown_and_forged() {
    let valid = Signature::Valid(APK_KEY_NAME.to_owned());
    assert_eq!(signature(Sign::Sha1), valid);
    assert_eq!(signature(Sign::Sha256), valid);
    assert_eq!(signature(Sign::Unsigned), Signature::Unsigned);
    assert!(matches!(
        signature(Sign::Stranger),
        Signature::UnknownKey(_)
    ));
    assert_eq!(
        signature(Sign::Forged),
        Signature::Bad(APK_KEY_NAME.to_owned())
    );
    let without_keys = verify(&read(&package().build()), &Keys::default());
    assert!(matches!(without_keys.signature, Signature::UnknownKey(_)));
    assert!(!without_keys.is_broken());
}

#[test]
fn changed_data_and_changed_files_are_found() {
    let whole = verify(&read(&package().build()), &keys());
    assert_eq!(
        (whole.data, whole.wrong, whole.without_sum),
        (Some(true), 0, 0)
    );
    assert!(!whole.is_broken() && whole.anomalies().is_empty());
    let other_data = verify(&read(&package().with_other_data().build()), &keys());
    assert_eq!(other_data.data, Some(false));
    let other_sums = verify(&read(&package().with_other_sums().build()), &keys());
    assert_eq!(other_sums.wrong, 2);
    for broken in [other_data, other_sums] {
        assert!(broken.is_broken() && !broken.anomalies().is_empty());
    }
    // A second data member is installed by `apk`, and not what was hashed.
    let appended = [package().build(), package().build()].concat();
    assert!(verify(&read(&appended), &keys()).is_broken());
}

#[test]
fn every_flipped_byte_is_noticed_or_harmless() {
    let bytes = package().build();
    let good = Package::read(&read(&bytes)).unwrap();
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        let Ok(archive) = apa_archive::read_bytes(&changed, "x.apk", &Limits::default()) else {
            continue;
        };
        let integrity = verify(&archive, &keys());
        let valid = matches!(integrity.signature, Signature::Valid(_));
        if archive.complete && valid && integrity.data == Some(true) && integrity.wrong == 0 {
            let read = Package::read(&archive).unwrap();
            assert_eq!(read.info, good.info, "byte {at}");
            assert_eq!(read.scripts, good.scripts, "byte {at}");
        }
    }
}

#[test]
fn a_package_gives_its_scripts_and_files() {
    let archive = read(&package().build());
    assert_eq!(archive.format, Format::Apk);
    let package = Package::read(&archive).unwrap();
    assert_eq!(
        (package.info.name.as_str(), package.info.version.as_str()),
        ("tool", "1.2-r3")
    );
    assert!(package.script("post-install").is_some() && package.script("trigger").is_none());
    let files: Vec<_> = package
        .files
        .iter()
        .filter(|file| !matches!(file.kind, FileKind::Folder))
        .map(|file| (file.path.as_str(), file.mode))
        .collect();
    assert_eq!(
        files,
        [
            ("usr/bin/tool", 0o755),
            ("usr/bin/alias", 0o777),
            ("usr/share/tool/data", 0o644)
        ]
    );
    assert_eq!(package.left_out, 0);
}

#[test]
fn an_index_knows_a_package_by_its_control_section() {
    let (good, other) = (package().build(), package().line("pkgdesc = other").build());
    let index = apk_index([good.as_slice()], Sign::Sha256);
    let (index, signature) = Index::read(&index, &keys()).unwrap();
    assert!(matches!(signature, Signature::Valid(_)));
    let record = index.versions("tool").next().unwrap();
    assert_eq!(record.check(&verify(&read(&good), &keys())), Ok(()));
    assert!(record.check(&verify(&read(&other), &keys())).is_err());
    assert_eq!(record.built, Some(1_700_000_000));
    let forged = apk_index([good.as_slice()], Sign::Forged);
    assert!(matches!(
        Index::read(&forged, &keys()).unwrap().1,
        Signature::Bad(_)
    ));
}

#[test]
fn version_3_is_recognised_and_refused_by_name() {
    let error = apa_archive::read_bytes(b"ADBd\x01\x02\x03", "x.apk", &Limits::default());
    assert!(error.unwrap_err().to_string().contains("version 3"));
}

/// `openssl` and `tar` know nothing of this crate: the signature is over the control member's packed bytes, and the
/// whole is one tar stream.
#[test]
fn other_programs_read_the_same_out_of_the_bytes() {
    if !Path::new("/usr/bin/openssl").exists() {
        eprintln!("SKIPPED: openssl is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text)
    };
    for (sign, digest) in [(Sign::Sha1, "-sha1"), (Sign::Sha256, "-sha256")] {
        let bytes = package().sign(sign).build();
        let archive = read(&bytes);
        let control = archive.part("control").unwrap().raw.clone().unwrap();
        put("x.apk", &bytes);
        put("control.gz", &control);
        put("signature", &archive.entries[0].bytes);
        put("key.pub", APK_KEY.as_bytes());
        let verify = [
            "dgst",
            digest,
            "-verify",
            "key.pub",
            "-signature",
            "signature",
        ];
        let (good, _) = run("openssl", &[&verify[..], &["control.gz"]].concat());
        let (bad, _) = run("openssl", &[&verify[..], &["x.apk"]].concat());
        assert!(good && !bad);
        let (listed, names) = run("tar", &["-tzf", "x.apk"]);
        assert!(listed, "tar refuses it");
        for name in [".SIGN.RSA", ".PKGINFO", ".post-install", "usr/bin/tool"] {
            assert!(names.contains(name), "{names}");
        }
    }
}
