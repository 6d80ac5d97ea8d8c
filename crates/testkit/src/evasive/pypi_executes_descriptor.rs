//! A wheel that, when it is imported, fills a memory file and executes its descriptor (`execveat` without a
//! path), as a daemon.
//!
//! Must be found.

use crate::{Expect, Specimen, Wheel, build::Package as _, elf};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const LZFOUR_INIT_PY: &str = r#"import base64
import os

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        file = os.memfd_create("kworker", os.MFD_CLOEXEC)
        os.write(file, base64.b64decode("PROGRAM"))
        try:
            os.execve(file, ["[kworker/0:1]"], {})
        finally:
            os._exit(1)
    os._exit(0)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("lzfour", "1.0.2").file(
        "lzfour/__init__.py",
        &LZFOUR_INIT_PY.replace("PROGRAM", &STANDARD.encode(elf::says_ok())),
    );
    package.specimen(
        "pypi-executes-descriptor",
        Expect::malicious(&["exec-from-memory"]),
    )
}
