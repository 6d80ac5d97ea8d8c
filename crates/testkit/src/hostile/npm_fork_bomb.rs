//! A lifecycle script that starts as many processes as it can.
//!
//! Must end in the process limit, in bounded time.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, NpmPackage, Specimen};

const BOMB: &str = r#"const { spawn } = require('child_process');
for (let n = 0; n < 2000; n++) {
  spawn('sleep', ['30'], { stdio: 'ignore', detached: true }).on('error', () => {}).unref();
}
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("multiplier", "1.0.0")
        .script("postinstall", "node bomb.js")
        .file("bomb.js", BOMB);
    Specimen {
        name: "npm-fork-bomb",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::limited(&[IncompleteCode::ProcessLimit]),
    }
}
