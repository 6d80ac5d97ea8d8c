//! An npm `postinstall` that writes a program as an image, renames it, and runs it under the name of a kernel
//! thread.
//!
//! Must be found: a rename carries the origin along.

use crate::{Expect, NpmPackage, Specimen, build::Package as _, elf};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const OPT_JS: &str = r"const fs = require('fs');
const { spawnSync } = require('child_process');
fs.mkdirSync('/tmp/.X1-unix', { recursive: true });
fs.writeFileSync('/tmp/.X1-unix/logo.png', Buffer.from('PROGRAM', 'base64'));
fs.renameSync('/tmp/.X1-unix', '/tmp/.X2-unix');
fs.renameSync('/tmp/.X2-unix/logo.png', '/tmp/.X2-unix/a');
fs.chmodSync('/tmp/.X2-unix/a', 0o700);
spawnSync('/tmp/.X2-unix/a', [], { argv0: '[kworker/u8:2]' });
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("img-opt", "1.0.2")
        .script("postinstall", "node opt.js")
        .file(
            "opt.js",
            &OPT_JS.replace("PROGRAM", &STANDARD.encode(elf::says_ok())),
        );
    package.specimen(
        "npm-renames-then-runs",
        Expect::malicious(&["dropped-file-executed"]),
    )
}
