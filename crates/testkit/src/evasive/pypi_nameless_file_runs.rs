//! A wheel that, when it is imported, writes a program into a file without a name (`O_TMPFILE`), gives it one
//! with a link, and runs it.
//!
//! Must be found: written and run, though never opened for writing by that name.

use crate::{Expect, Specimen, Wheel, build::Package as _, elf};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SNAPFILE_INIT_PY: &str = r#"import base64
import os
import subprocess

file = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o700)
os.write(file, base64.b64decode("PROGRAM"))
root = os.open("/", os.O_RDONLY)
# With a folder's descriptor Python uses `linkat`, which follows the link.
os.link("/proc/self/fd/%d" % file, "/tmp/.snap", src_dir_fd=root, follow_symlinks=True)
os.close(file)
subprocess.run(["/tmp/.snap"], stdout=subprocess.DEVNULL)
os.unlink("/tmp/.snap")
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("snapfile", "1.0.2").file(
        "snapfile/__init__.py",
        &SNAPFILE_INIT_PY.replace("PROGRAM", &STANDARD.encode(elf::says_ok())),
    );
    package.specimen(
        "pypi-nameless-file-runs",
        Expect::malicious(&["dropped-file-executed"]),
    )
}
