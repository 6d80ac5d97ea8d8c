//! Writes the small archives of baselines. Into memory, so nothing can fail.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use zip::write::{SimpleFileOptions, ZipWriter};

const IN_MEMORY: &str = "writing into memory does not fail";

/// A gzip-compressed tar archive.
pub(crate) fn tar_gz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        append(&mut tar, path, text.as_bytes());
    }
    let gzip = tar.into_inner().expect(IN_MEMORY);
    gzip.finish().expect(IN_MEMORY)
}

/// A plain tar archive.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        append(&mut tar, path, bytes);
    }
    tar.into_inner().expect(IN_MEMORY)
}

fn append<W: std::io::Write>(tar: &mut tar::Builder<W>, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(499_162_500);
    tar.append_data(&mut header, path, bytes).expect(IN_MEMORY);
}

/// Compressed by gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect(IN_MEMORY);
    gzip.finish().expect(IN_MEMORY)
}

/// A zip archive.
pub(crate) fn zip<B: AsRef<[u8]>>(files: &[(&str, B)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        zip.start_file(*path, SimpleFileOptions::default())
            .expect(IN_MEMORY);
        zip.write_all(content.as_ref()).expect(IN_MEMORY);
    }
    zip.finish().expect(IN_MEMORY).into_inner()
}

/// An unsigned Alpine package with these scripts and no files.
pub(crate) fn apk(name: &str, version: &str, scripts: &[(&str, &str)]) -> Vec<u8> {
    let data = gzip(&tar_of(&[], true));
    let hash: String = Sha256::digest(&data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let info = format!("pkgname = {name}\npkgver = {version}\narch = noarch\ndatahash = {hash}\n");
    let mut control = vec![(".PKGINFO", info.as_str())];
    control.extend(scripts);
    [gzip(&tar_of(&control, false)), data].concat()
}

/// A tar archive, with or without its end.
fn tar_of(files: &[(&str, &str)], ended: bool) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(499_162_500);
        tar.append_data(&mut header, path, text.as_bytes())
            .expect(IN_MEMORY);
    }
    if ended {
        tar.into_inner().expect(IN_MEMORY)
    } else {
        std::mem::take(tar.get_mut())
    }
}
