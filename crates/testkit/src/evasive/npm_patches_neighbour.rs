//! An npm `postinstall` that changes the code of another installed package.
//!
//! Must be found: what was reviewed is not what runs.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const SHIM_JS: &str = r"const fs = require('fs');
const path = require('path');
const target = path.join(__dirname, '..', 'tiny-pad', 'index.js');
fs.appendFileSync(target, '\nprocess.nextTick(() => {});\n');
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("format-shim", "1.0.2")
        .file("shim.js", SHIM_JS)
        .field("dependencies", serde_json::json!({"tiny-pad": "1.0.0"}))
        .script("postinstall", "node shim.js");
    package
        .specimen(
            "npm-patches-neighbour",
            Expect::suspicious(&["foreign-package-modified"]),
        )
        .serving(
            &NpmPackage::new("tiny-pad", "1.0.0")
                .file("index.js", "module.exports = (text) => text;\n"),
        )
}
