//! A wheel whose first module finds the harness's pipe and writes its lines, then ends the process.
//!
//! Must not be clean: somebody hides what comes next.

use apa_model::IncompleteCode;

use crate::{Expect, Specimen, Wheel, build::Package as _};

const QUICKLIST_INIT_PY: &str = r#"import os
import signal

for number in range(3, 20):
    try:
        if os.readlink("/proc/self/fd/%d" % number).startswith("pipe:"):
            os.write(number, b"done 0\nstart 1\ndone 1\nend\n")
    except OSError:
        pass
os.kill(os.getpid(), signal.SIGKILL)
"#;

const QUICKLIST_ZZ_PY: &str = r"";

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("quicklist", "1.0.2")
        .file("quicklist/__init__.py", QUICKLIST_INIT_PY)
        .file("quicklist/zz.py", QUICKLIST_ZZ_PY);
    package.specimen(
        "pypi-forges-report",
        Expect::limited(&[IncompleteCode::HarnessIncomplete]),
    )
}
