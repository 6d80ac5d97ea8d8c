//! Tar archives, plain and in gzip: what is odd is recorded and never hides the rest.

use crate::make::{
    Member, assert_odd, file, gzip, kinds, names, of_kind, pax, read, tar, tar_without_end,
};
use apa_archive::{EntryKind, Format, Limits, read_bytes};

/// The member under test in front, a plain one behind it.
fn before_last(members: impl IntoIterator<Item = Member>) -> Vec<u8> {
    tar(&members
        .into_iter()
        .chain([file("last", "end")])
        .collect::<Vec<_>>())
}

#[test]
fn an_ordinary_package_has_no_anomaly() {
    let bytes = gzip(&tar(&[
        file("package/package.json", "{}"),
        of_kind(b'5', "package/lib/", ""),
        file("package/lib/a.js", "1"),
    ]));
    let archive = read(&bytes);
    assert_eq!(archive.format, Format::TarGz);
    assert_eq!(kinds(&archive), [""; 0]);
    assert!(archive.complete);
    assert_eq!(archive.strip_top().as_deref(), Some("package"));
    let entry = archive.file("package/package.json").unwrap();
    assert_eq!(
        (&*entry.bytes, entry.size, entry.kept),
        (&b"{}"[..], 2, true)
    );
    assert_eq!(
        entry.sha256,
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
    assert_eq!(archive.entries[1].kind, EntryKind::Directory);
}

#[test]
fn files_in_two_top_folders_have_no_common_one() {
    assert_eq!(
        read(&tar(&[file("a/x", ""), file("b/x", "")])).strip_top(),
        None
    );
    assert_eq!(read(&tar(&[file("a", "")])).strip_top(), None);
}

#[test]
fn hostile_names_are_recorded_and_do_not_hide_the_rest() {
    for (name, kind) in [
        ("../out", "path-traversal"),
        ("/etc/cron.d/x", "absolute-path"),
        ("C:\\x", "windows-path"),
        ("a\x1b[2Jb", "control-character-name"),
        ("a\u{202e}b", "misleading-name"),
        ("LAST", "case-collision"),
        ("last", "duplicate-entry"),
    ] {
        assert_odd(&before_last([file(name, "x")]), kind, true);
    }
}

#[test]
fn names_from_extended_headers_are_judged_alike() {
    assert_odd(
        &before_last([pax("path", b"../../x"), file("safe", "x")]),
        "path-traversal",
        true,
    );
    let archive = assert_odd(
        &before_last([pax("path", b"a\0b"), file("safe", "x")]),
        "control-character-name",
        true,
    );
    assert_eq!(archive.entries[0].safe_path, None);
    let long = Member {
        data: b"../long\0".to_vec(),
        ..of_kind(b'L', "@LongLink", "")
    };
    assert_odd(
        &before_last([long, file("safe", "x")]),
        "path-traversal",
        true,
    );
}

#[test]
fn links_that_leave_and_special_files_are_recorded() {
    for (kind, member) in [
        ("symlink-leaves", of_kind(b'2', "a", "../../etc/passwd")),
        ("symlink-leaves", of_kind(b'2', "a", "/etc/passwd")),
        ("hardlink-leaves", of_kind(b'1', "a", "../x")),
        ("special-file", of_kind(b'3', "a", "")),
        ("special-file", of_kind(b'6', "a", "")),
        ("special-file", of_kind(b'?', "a", "")),
        (
            "setuid",
            Member {
                mode: 0o4755,
                ..file("a", "x")
            },
        ),
    ] {
        assert_odd(&before_last([member]), kind, true);
    }
}

#[test]
fn a_file_below_a_symbolic_link_is_recorded() {
    assert_odd(
        &before_last([of_kind(b'2', "a", "b"), file("a/x", "1")]),
        "write-through-symlink",
        true,
    );
}

#[test]
fn a_link_over_a_file_leaves_no_file() {
    let archive = read(&tar(&[file("a", "1"), of_kind(b'2', "a", "b")]));
    assert_eq!(archive.file("a"), None);
    assert_eq!(kinds(&archive), ["duplicate-entry"]);
}

#[test]
fn readers_that_disagree_about_sizes_are_told_apart() {
    assert_odd(
        &before_last([pax("size", b"3"), file("a", "xx")]),
        "size-mismatch",
        true,
    );
    assert_odd(
        &before_last([Member {
            data: b"data".to_vec(),
            ..of_kind(b'2', "a", "b")
        }]),
        "link-with-data",
        false,
    );
    let mut folder = tar_without_end(&[Member {
        data: b"x".to_vec(),
        ..of_kind(b'5', "a", "")
    }]);
    folder.truncate(512);
    folder.extend(before_last([]));
    assert_odd(&folder, "directory-with-data", true);
}

#[test]
fn what_follows_a_bad_header_or_a_zero_block_is_still_read() {
    let mut bad = tar_without_end(&[file("first", "1")]);
    bad.extend([b'!'; 1024]);
    bad.extend(before_last([]));
    assert_eq!(
        names(&assert_odd(&bad, "bad-header", false)),
        ["first", "last"]
    );

    let mut zero = tar_without_end(&[file("first", "1")]);
    zero.extend([0; 512]);
    zero.extend(before_last([]));
    assert_odd(&zero, "lone-zero-block", true);
}

#[test]
fn data_behind_the_end_is_recorded() {
    let mut bytes = before_last([]);
    bytes.extend(tar(&[file("hidden", "x")]));
    assert_odd(&bytes, "trailing-data", true);
    assert_odd(
        &tar_without_end(&[file("last", "end")]),
        "no-end-marker",
        true,
    );
}

#[test]
fn a_global_header_that_renames_is_recorded() {
    let global = Member {
        kind: b'g',
        ..pax("path", b"x")
    };
    assert_odd(&before_last([global]), "global-override", false);
    let comment = Member {
        kind: b'g',
        ..pax("comment", b"0123")
    };
    assert_eq!(kinds(&read(&before_last([comment]))), [""; 0]);
}

#[test]
fn gzip_members_and_junk_behind_the_first_are_recorded() {
    let whole = before_last([]);
    let mut split = gzip(&whole[..700]);
    split.extend(gzip(&whole[700..]));
    assert_odd(&split, "extra-gzip-member", true);
    let mut junk = gzip(&whole);
    junk.extend(b"junk");
    assert_odd(&junk, "suffix-data", true);
    let mut padded = gzip(&whole);
    padded.extend([0; 100]);
    assert_eq!(kinds(&read(&padded)), [""; 0]);
}

#[test]
fn a_zip_behind_a_tar_is_a_polyglot() {
    let mut bytes = gzip(&before_last([]));
    bytes.extend(crate::make::zip(&[crate::make::zip_file("a", "b")]));
    let archive = read(&bytes);
    assert_eq!(kinds(&archive), ["suffix-data", "polyglot"]);
}

#[test]
fn a_truncated_archive_keeps_what_was_read() {
    let noise: String = (0..60_000u32)
        .map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 26))
        .collect();
    let whole = tar(&[file("last", "end"), file("big", &noise)]);
    let packed = gzip(&whole);
    let archive = assert_odd(&packed[..packed.len() / 2], "truncated-archive", false);
    assert!((1..60_000).contains(&archive.entries[1].size));
    assert_odd(&whole[..20_000], "truncated-archive", false);
}

#[test]
fn a_bomb_stops_at_the_ratio_and_keeps_what_came_before() {
    let bomb = "\0".repeat(30 << 20);
    let bytes = gzip(&tar(&[file("last", "end"), file("bomb", &bomb)]));
    let archive = assert_odd(&bytes, "ratio-limit", false);
    assert!(archive.entries[1].size < 12 << 20);
}

#[test]
fn every_limit_that_is_hit_is_visible() {
    let limits = Limits {
        unpacked_bytes: 4096,
        entries: 2,
        kept_bytes: 4,
        path_bytes: 8,
        ..Limits::default()
    };
    let kinds_of = |bytes: &[u8]| {
        let archive = read_bytes(bytes, "test", &limits).unwrap();
        (
            kinds(&archive)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            archive.complete,
        )
    };
    let limit = |kind: &str| (vec![kind.to_owned()], false);
    let many = tar(&[file("a", ""), file("b", ""), file("c", "")]);
    assert_eq!(kinds_of(&many), limit("entry-limit"));
    assert_eq!(kinds_of(&tar(&[file("a", "12345")])), limit("memory-limit"));
    let large = kinds_of(&tar(&[file("a", &"x".repeat(8192))]));
    assert_eq!(large, limit("unpacked-limit"));
    let long = kinds_of(&tar(&[file("too-long-name", "")]));
    assert_eq!(long, (vec!["name-too-long".into()], true));
}

#[test]
fn names_have_a_budget_of_their_own() {
    let members = (0..10_000).flat_map(|n| {
        let name = format!("{}{n}", "folder/".repeat(100).repeat(5));
        [pax("path", name.as_bytes()), file("x", "")]
    });
    let archive = read(&tar(&members.collect::<Vec<_>>()));
    assert!(kinds(&archive).contains(&"entry-limit"));
    assert!(!archive.complete && archive.entries.len() < 9_700);
}

#[test]
fn one_kind_of_anomaly_cannot_crowd_out_another() {
    let mut members: Vec<_> = (0..500).map(|n| file(&format!("../{n}"), "")).collect();
    members.push(of_kind(b'3', "device", ""));
    let archive = read(&tar(&members));
    let found = kinds(&archive);
    assert_eq!(found.len(), apa_archive::ANOMALIES_PER_KIND + 2);
    assert!(found.contains(&"special-file"));
    assert_eq!(
        archive.anomalies.last().unwrap().detail.to_string(),
        "400 more of this kind"
    );
}

#[test]
fn sparse_files_and_oversized_headers_are_not_taken_for_complete() {
    assert_odd(
        &before_last([of_kind(b'S', "a", "")]),
        "sparse-entry",
        false,
    );
    let huge = Member {
        data: vec![b'a'; 2 << 20],
        ..of_kind(b'L', "@LongLink", "")
    };
    let archive = read(&before_last([huge, file("x", "")]));
    assert_eq!(kinds(&archive), ["bad-header", "name-too-long"]);
    assert!(!archive.complete && archive.file("last").is_some());
}
