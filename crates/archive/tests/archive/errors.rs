//! Files that are no archive at all: each error names the file and the next step.

use std::fs::File;
use std::path::Path;

use apa_archive::{Limits, read, read_bytes};

fn message(path: &Path, limits: &Limits) -> String {
    read(path, limits).unwrap_err().to_string()
}

#[test]
fn a_file_that_cannot_be_looked_into_is_named_with_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let limits = Limits::default();
    for (path, part) in [
        (
            folder.path().join("none"),
            "none: no such file; check the path",
        ),
        (
            folder.path().to_owned(),
            "is a directory; give a package archive",
        ),
        (
            at("empty", b""),
            "empty is empty; download or build it again",
        ),
        (
            at("text", b"hello"),
            "text is not a package archive: unknown content; tar",
        ),
        (
            at("gz", &crate::make::gzip(b"hello")),
            "gzip data without a tar archive inside",
        ),
        (at("bad", b"\x1f\x8bjunk"), "damaged gzip data"),
        (
            Path::new("/dev/zero").to_owned(),
            "/dev/zero is not a regular file",
        ),
        (at("esc\x1b[2J", b""), "esc\\u{1b}[2J is empty"),
    ] {
        let message = message(&path, &limits);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.tgz");
    File::create(&path).unwrap().set_len(2 << 30).unwrap();
    let started = std::time::Instant::now();
    let message = message(&path, &Limits::default());
    assert!(message.contains("huge.tgz is too large: 2147483648 bytes, the limit is 268435456"));
    assert!(started.elapsed().as_millis() < 500);
}

#[test]
fn a_pipe_does_not_block() {
    let message = message(Path::new("/proc/self/fd/0"), &Limits::default());
    assert!(!message.is_empty());
}

#[test]
fn content_decides_and_not_the_name() {
    let limits = Limits::default();
    let zip = crate::make::zip(&[crate::make::zip_file("a", "b")]);
    assert!(
        read_bytes(&zip, "x.tgz", &limits)
            .unwrap()
            .file("a")
            .is_some()
    );
}
