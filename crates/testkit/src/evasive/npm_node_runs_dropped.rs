//! An npm package that, when it is imported, writes a script to a temporary folder and has a second node run
//! it.
//!
//! Must be found: what an interpreter is given is executed.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const fs = require('fs');
const { spawn } = require('child_process');
const file = '/tmp/.node-cache.dat';
fs.writeFileSync(file, Buffer.from('Y29uc29sZS5sb2coMSk=', 'base64'));
spawn(process.execPath, [file], { stdio: 'ignore' });
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("module-cache", "1.0.2")
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into());
    package.specimen(
        "npm-node-runs-dropped",
        Expect::malicious(&["dropped-file-executed"]),
    )
}
