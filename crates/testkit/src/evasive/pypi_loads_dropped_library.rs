//! A wheel that, when it is imported, writes a shared library to a temporary folder and loads it into its own
//! process.
//!
//! Must be found: a library that is loaded is executed.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const FASTNUM_INIT_PY: &str = r#"import ctypes
import ctypes.util
import glob
import shutil

for library in glob.glob("/usr/lib/x86_64-linux-gnu/libz.so.1")[:1]:
    shutil.copyfile(library, "/tmp/.x11-cache")
    ctypes.CDLL("/tmp/.x11-cache")
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("fastnum", "1.0.2").file("fastnum/__init__.py", FASTNUM_INIT_PY);
    package.specimen(
        "pypi-loads-dropped-library",
        Expect::suspicious(&["dropped-file-executed"]),
    )
}
