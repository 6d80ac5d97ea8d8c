//! Damaged and random archives: reading always ends, within its bounds, without a panic.

use crate::make::{file, gzip, of_kind, pax, tar, tar_without_end, zip, zip_file};
use crate::wrapped::{apk, ar, gem};
use apa_archive::{Archive, Limits, read_bytes};
use proptest::prelude::*;

fn limits() -> Limits {
    Limits {
        unpacked_bytes: 1 << 20,
        entries: 100,
        kept_bytes: 64 << 10,
        ..Limits::default()
    }
}

fn within_bounds(archive: &Archive) {
    let limits = limits();
    assert!(archive.entries.len() <= limits.entries);
    let kept: usize = archive.entries.iter().map(|entry| entry.bytes.len()).sum();
    assert!(kept as u64 <= limits.kept_bytes);
    for entry in &archive.entries {
        assert!(!entry.kept || entry.bytes.len() as u64 == entry.size);
        if let Some(path) = &entry.safe_path {
            assert!(!path.starts_with('/') && !path.contains('\0'));
            assert!(path.split('/').all(|part| part != ".." && part != "."));
        }
    }
}

fn samples() -> [Vec<u8>; 6] {
    let plain = tar(&[
        pax("path", b"package/long"),
        file("package/a", "content"),
        of_kind(b'2', "link", "package/a"),
        of_kind(b'S', "sparse", ""),
        file("b", &"x".repeat(2000)),
    ]);
    let zipped = zip(&[
        zip_file("a", "content"),
        crate::make::ZipMember {
            method: 8,
            ..zip_file("b", &"x".repeat(2000))
        },
    ]);
    let packed = gzip(&plain);
    let control = gzip(&tar_without_end(&[file(".PKGINFO", "x")]));
    [
        gem(&packed),
        apk(b"x", &control, &packed),
        ar(&[("debian-binary", b"2.0\n"), ("data.tar.gz", &packed)]),
        packed,
        plain,
        zipped,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_archives_never_panic(
        which in 0..6usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = samples()[which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(archive) = read_bytes(&bytes, "mutated", &limits()) {
            within_bounds(&archive);
            archive.nested(&limits());
        }
    }

    #[test]
    fn a_mutated_tar_inside_intact_gzip_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = samples()[4].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(archive) = read_bytes(&gzip(&bytes), "mutated", &limits()) {
            within_bounds(&archive);
        }
    }

    #[test]
    fn random_bytes_never_panic(
        magic in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"PK\x05\x06", b"!<arch>\n", b"\x1f\x8b\x08\0"]),
        rest in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        if let Ok(archive) = read_bytes(&[magic, &rest[..]].concat(), "random", &limits()) {
            within_bounds(&archive);
        }
    }

    #[test]
    fn any_name_gives_a_safe_path_or_none(name in prop::collection::vec(1..=255u8, 1..90)) {
        let member = crate::make::Member { name, ..file("", "x") };
        within_bounds(&read_bytes(&tar(&[member]), "names", &limits()).unwrap());
    }
}
