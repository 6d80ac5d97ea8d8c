use apa_model::Ecosystem;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Package, zip};

/// Builds a Composer package as code hosts pack it: a zip archive with one top folder.
pub struct ComposerPackage {
    manifest: Value,
    files: Vec<(String, Vec<u8>)>,
}

impl ComposerPackage {
    /// An empty package; `name` is `vendor/name`.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            manifest: json!({"name": name, "version": version, "license": "MIT"}),
            files: Vec::new(),
        }
    }

    /// Sets a field of `composer.json`.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.manifest[name] = value;
        self
    }

    /// Adds a text file.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Self {
        self.bytes(path, text.as_bytes().to_vec())
    }

    /// Adds a file.
    #[must_use]
    pub fn bytes(mut self, path: &str, bytes: Vec<u8>) -> Self {
        self.files.push((path.to_owned(), bytes));
        self
    }

    fn stem(&self) -> String {
        let text = |field: &str| self.manifest[field].as_str().unwrap_or_default();
        format!("{}-{}", text("name").replace('/', "-"), text("version"))
    }

    /// Its file name; registries leave it to the code host.
    pub fn filename(&self) -> String {
        format!("{}.zip", self.stem())
    }

    /// The archive.
    pub fn build(&self) -> Vec<u8> {
        let top = self.stem();
        let manifest = format!("{:#}\n", self.manifest).into_bytes();
        let mut files = vec![(format!("{top}/composer.json"), manifest)];
        let others = self.files.iter();
        files.extend(others.map(|(path, bytes)| (format!("{top}/{path}"), bytes.clone())));
        zip(&files)
    }
}

impl Package for ComposerPackage {
    const ECOSYSTEM: Ecosystem = Ecosystem::Composer;

    fn archive(&self) -> (String, Vec<u8>) {
        (self.filename(), self.build())
    }
}

/// A packed archive of one file, which runs when PHP is given the archive; in PHP's own format, with a signature.
pub(crate) fn phar(name: &str, code: &str) -> Vec<u8> {
    let stub = format!(
        "#!/usr/bin/env php\n<?php Phar::mapPhar(); require 'phar://' . __FILE__ . '/{name}'; __HALT_COMPILER(); ?>\r\n"
    );
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let mut crc = flate2::Crc::new();
    crc.update(code.as_bytes());
    // One file, API 1.1.0, signed, without alias and metadata.
    let mut manifest = [&number(1)[..], &[0x11, 0x00], &number(0x1_0000), &[0; 8]].concat();
    manifest.extend(number(name.len()));
    manifest.extend(name.as_bytes());
    // Size, time, packed size, checksum, permissions, no metadata.
    let fields = [
        code.len(),
        499_162_500,
        code.len(),
        crc.sum() as usize,
        0o644,
        0,
    ];
    manifest.extend(fields.into_iter().flat_map(number));
    let mut phar = stub.into_bytes();
    phar.extend(number(manifest.len()));
    phar.extend(manifest);
    phar.extend(code.as_bytes());
    let digest = Sha256::digest(&phar);
    phar.extend(digest);
    // SHA-256, and the mark of a signature.
    phar.extend(number(3));
    phar.extend(b"GBMB");
    phar
}
