//! An npm `postinstall` that writes a program, makes it executable, runs it and deletes it.
//!
//! Must be found: what was written was executed, and its bytes are kept although they are deleted.

use apa_model::Ecosystem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Expect, NpmPackage, Specimen, elf};

const INSTALL: &str = r#"const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const file = path.join(os.tmpdir(), '.gpu-' + process.pid);
fs.writeFileSync(file, Buffer.from('PROGRAM', 'base64'));
fs.chmodSync(file, 0o755);
execFileSync(file);
fs.unlinkSync(file);
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("node-gpu-probe", "0.0.7")
        .script("postinstall", "node install.js")
        .file(
            "install.js",
            &INSTALL.replace("PROGRAM", &STANDARD.encode(elf::says_ok())),
        );
    Specimen {
        name: "npm-dropper",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["dropped-file-executed"]),
    }
}
