//! An npm `postinstall` line that adds a cron job and a user's systemd unit by their own tools, which are not
//! even installed.
//!
//! Must be found: the command says it.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"module.exports = 1;
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("uptime-kit", "1.0.2")
        .file("index.js", INDEX_JS)
        .script(
            "postinstall",
            "(crontab -l 2>/dev/null; echo '*/5 * * * * /tmp/.u') | crontab - || true",
        );
    package.specimen("npm-cron-and-unit", Expect::malicious(&["persistence"]))
}
