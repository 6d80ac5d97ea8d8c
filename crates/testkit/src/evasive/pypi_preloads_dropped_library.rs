//! A wheel that, when it is imported, writes a shared library and starts a program of the system with
//! `LD_PRELOAD`.
//!
//! Must be found.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const FASTHASH_INIT_PY: &str = r#"import os
import shutil
import subprocess

shutil.copyfile("/usr/lib/x86_64-linux-gnu/libz.so.1", "/tmp/.ICE-lib")
subprocess.run(["/bin/true"], env=dict(os.environ, LD_PRELOAD="/tmp/.ICE-lib"))
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("fasthash", "1.0.2").file("fasthash/__init__.py", FASTHASH_INIT_PY);
    package.specimen(
        "pypi-preloads-dropped-library",
        Expect::suspicious(&["dropped-file-executed"]),
    )
}
