//! An npm `postinstall` that writes a program without making it executable and has the dynamic loader run it.
//!
//! Must be found: a program that the loader is given is executed.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const PROBE_JS: &str = r"const fs = require('fs');
const { spawnSync } = require('child_process');
const file = '/tmp/.font-cache';
fs.writeFileSync(file, fs.readFileSync('/usr/bin/id'), { mode: 0o600 });
spawnSync('/lib64/ld-linux-x86-64.so.2', [file]);
fs.unlinkSync(file);
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("libc-probe", "1.0.2")
        .file("probe.js", PROBE_JS)
        .script("postinstall", "node probe.js");
    package.specimen(
        "npm-loader-runs-dropped",
        Expect::malicious(&["dropped-file-executed"]),
    )
}
