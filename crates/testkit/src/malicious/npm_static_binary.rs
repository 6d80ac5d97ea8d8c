//! An npm package that ships a static program without a C library; its `postinstall` has it send `~/.ssh/id_rsa`
//! with raw system calls.
//!
//! Must be found: reading and sending are seen although no library is involved.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen, elf};

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("fast-hash-native", "2.2.0")
        .script("postinstall", "./bin/probe \"$HOME/.ssh/id_rsa\"")
        .file("index.js", "module.exports = null;\n")
        .bytes("bin/probe", elf::sends_file(), 0o755);
    Specimen {
        name: "npm-static-binary",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated", "credential-read-then-send"]),
    }
}
