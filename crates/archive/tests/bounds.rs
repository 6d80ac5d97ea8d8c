//! Bombs of every format end soon and in little memory. Alone in its program, so that what the process took at most is
//! what reading took.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::time::{Duration, Instant};

use apa_archive::{Archive, Limits, read_bytes};

/// Bytes that every bomb unpacks to.
const UNPACKED: usize = 2 << 30;
/// Most memory that reading may take, KiB: the bytes that may be kept, and half again while the last file grows.
const MEMORY_KIB: u64 = 768 << 10;
const TIME: Duration = Duration::from_secs(60);

fn zeros(mut out: impl Write, bytes: usize) {
    let chunk = vec![0; 1 << 20];
    for _ in 0..bytes >> 20 {
        out.write_all(&chunk).unwrap();
    }
}

fn header(name: &str, size: usize) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn gzip(fill: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    fill(&mut out);
    out.finish().unwrap()
}

fn zstd(fill: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut out = zstd::Encoder::new(Vec::new(), 1).unwrap();
    fill(&mut out);
    out.finish().unwrap()
}

fn tar_bomb(out: &mut dyn Write) {
    out.write_all(&header("bomb", UNPACKED)).unwrap();
    zeros(out, UNPACKED);
}

fn plain_tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in files {
        out.extend(header(name, bytes.len()));
        out.extend(*bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn deb(name: &str, data: &[u8]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, data) in [("debian-binary", &b"2.0\n"[..]), (name, data)] {
        let head = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            data.len()
        );
        out.extend(head.into_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    out
}

fn zip_bomb(entries: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for at in 0..entries {
        zip.start_file(format!("{at}"), zip::write::SimpleFileOptions::default())
            .unwrap();
        zeros(&mut zip, UNPACKED / entries);
    }
    zip.finish().unwrap().into_inner()
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let data = gzip(tar_bomb);
    let control = gzip(|out| out.write_all(&header(".PKGINFO", 0)).unwrap());
    let many = plain_tar(&vec![("x", &b""[..]); 60_000]);
    let zip = zip_bomb(4);
    vec![
        ("tar.gz", data.clone()),
        ("zip", zip.clone()),
        (
            "gem",
            plain_tar(&[
                ("metadata.gz", &gzip(|out| out.write_all(b"---").unwrap())),
                ("data.tar.gz", &data),
            ]),
        ),
        (
            "gem's metadata",
            plain_tar(&[
                ("metadata.gz", &gzip(|out| zeros(out, UNPACKED))),
                (
                    "data.tar.gz",
                    &gzip(|out| out.write_all(&plain_tar(&[])).unwrap()),
                ),
            ]),
        ),
        ("apk", [control, data.clone()].concat()),
        ("deb gz", deb("data.tar.gz", &data)),
        ("deb zst", deb("data.tar.zst", &zstd(tar_bomb))),
        ("many entries", gzip(|out| out.write_all(&many).unwrap())),
        ("zip in tar", plain_tar(&[("a.zip", &zip)])),
        // Last: the allocator keeps what many middle-sized files took.
        ("zip of many", zip_bomb(256)),
    ]
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn is_cut(archive: &Archive) -> bool {
    let nested = archive.nested(&Limits::default());
    !archive.complete || nested.cut || nested.found.iter().any(|one| !one.archive.complete)
}

#[test]
fn bombs_end_soon_and_in_little_memory() {
    let bombs = bombs();
    let before = peak_kib();
    for (name, bytes) in bombs {
        let started = Instant::now();
        let archive = read_bytes(&bytes, name, &Limits::default()).unwrap();
        assert!(is_cut(&archive), "{name}: {:?}", archive.anomalies);
        drop(archive);
        let (time, peak) = (started.elapsed(), peak_kib());
        eprintln!(
            "{name}: {} packed bytes, {time:?}, peak {peak} KiB",
            bytes.len()
        );
        assert!(time < TIME, "{name} took {time:?}");
        assert!(peak < before + MEMORY_KIB, "{name} took {peak} KiB");
    }
}
