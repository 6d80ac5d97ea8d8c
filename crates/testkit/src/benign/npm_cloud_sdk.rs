//! A client of a cloud that asks the metadata service for credentials when it is imported, keeps them to itself, and looks
//! whether there is a newer version of it.
//!
//! Must be clean: nothing of what it was given goes anywhere.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const http = require('http');
const https = require('https');
const path = '/latest/meta-data/iam/security-credentials/';
const ask = (method, to, headers, then) => {
  const request = http.request({ host: '169.254.169.254', method, path: to, headers, timeout: 1000 }, (answer) => {
    let text = '';
    answer.on('data', (part) => { text += part; });
    answer.on('end', () => then(text));
  });
  request.on('error', () => {});
  request.end();
};
let credentials;
ask('PUT', '/latest/api/token', { 'X-aws-ec2-metadata-token-ttl-seconds': '60' }, (token) => {
  const headers = { 'X-aws-ec2-metadata-token': token };
  ask('GET', path, headers, (role) => ask('GET', path + role, headers, (text) => { credentials = JSON.parse(text); }));
});
https.get('https://updates.example/cloud-client/latest.json', (answer) => answer.resume()).on('error', () => {});
exports.isSignedIn = () => Boolean(credentials);
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("cloud-client", "3.2.0")
        .field("main", "index.js".into())
        .file("index.js", INDEX_JS);
    package.specimen(
        "npm-cloud-sdk",
        Expect {
            rules: &[
                "metadata-service",
                "network-at-import",
                "contacts-network-by-itself",
            ],
            ..Expect::clean()
        },
    )
}
