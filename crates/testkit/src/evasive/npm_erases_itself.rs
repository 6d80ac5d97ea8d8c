//! An npm `postinstall` that runs a downloaded script, then removes its own file and the hook from the
//! manifest.
//!
//! Must be found.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const SETUP_JS: &str = r"const fs = require('fs');
const path = require('path');
const file = path.join(__dirname, 'package.json');
const manifest = JSON.parse(fs.readFileSync(file, 'utf8'));
delete manifest.scripts;
fs.writeFileSync(file, JSON.stringify(manifest));
fs.unlinkSync(__filename);
";

const INDEX_JS: &str = r"module.exports = 1;
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("crypto-plain", "1.0.2")
        .file("setup.js", SETUP_JS)
        .file("index.js", INDEX_JS)
        .script("postinstall", "node setup.js");
    package.specimen(
        "npm-erases-itself",
        Expect::malicious(&["self-deleting-payload"]),
    )
}
