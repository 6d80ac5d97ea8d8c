//! A wheel that, when it is imported, runs a program that exists only in memory.
//!
//! Must be found: execution from a memory file; its bytes are kept.

use apa_model::Ecosystem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Expect, Specimen, Wheel, elf};

const INIT: &str = r#"import base64
import os

file = os.memfd_create("lz")
os.write(file, base64.b64decode("PROGRAM"))
child = os.fork()
if child == 0:
    try:
        os.execv("/proc/self/fd/%d" % file, ["lz"])
    finally:
        os._exit(1)
os.waitpid(child, 0)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("lzturbo", "0.3.0").file(
        "lzturbo/__init__.py",
        &INIT.replace("PROGRAM", &STANDARD.encode(elf::says_ok())),
    );
    Specimen {
        name: "pypi-runs-from-memory",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["exec-from-memory"]),
    }
}
