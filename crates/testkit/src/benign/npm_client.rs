//! A client that reads the registry settings when it is imported, and whose functions look up credentials, ask
//! their service something, run a script through a wrapper of `node`, and leave promises that never settle.
//!
//! Must be clean and complete, with the lookup told as low: all of it is what clients and package managers do.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const INDEX: &str = r#"const fs = require('fs');
const os = require('os');
const path = require('path');
const https = require('https');
const { execFileSync } = require('child_process');

const read = (name) => {
  try { return fs.readFileSync(path.join(os.homedir(), name), 'utf8'); } catch { return ''; }
};
const settings = read('.npmrc');
exports.registry = () => /registry=(.*)/.exec(settings);

exports.list = () => new Promise((resolve) => {
  read('.npmrc');
  const key = process.env.AWS_ACCESS_KEY_ID;
  const authorization = `AWS4-HMAC-SHA256 Credential=${key}/20260101/eu/s3/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`;
  https.get('https://storage.example/?list=', { headers: { authorization } }, (answer) => answer.resume().on('end', resolve)).on('error', resolve);
});

exports.runScript = () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'run-'));
  const wrapper = path.join(folder, 'node');
  fs.writeFileSync(wrapper, `#!/bin/sh\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 });
  execFileSync(wrapper, [path.join(__dirname, 'script.js')]);
  fs.rmSync(folder, { recursive: true });
};

exports.poll = () => { const again = () => Promise.resolve().then(again); again(); };
exports.wait = () => execFileSync('sleep', ['60']);
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("cloudlist", "1.0.0")
        .field("main", "index.js".into())
        .file("index.js", INDEX)
        .file("script.js", "module.exports = 1;\n");
    Specimen {
        name: "npm-client",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect {
            rules: &["credential-read"],
            ..Expect::clean()
        },
    }
}
