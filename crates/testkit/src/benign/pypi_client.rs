//! A library whose function reads the keys of its service, as ssh clients do, and one that gives an interpreter
//! empty code with a file of its own as an argument.
//!
//! Must be clean and complete, with the lookup told as low: a function that we call looks it up.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import os
import subprocess
import sys
import tempfile


def connect(host="build.example"):
    with open(os.path.expanduser("~/.ssh/id_rsa")) as key:
        return host, len(key.read())


def check(code):
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write("import antigravity\n")
        file.flush()
        subprocess.run([sys.executable, "-c", "", file.name], check=False)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("plainssh", "2.1.0").file("plainssh/__init__.py", INIT);
    Specimen {
        name: "pypi-client",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect {
            rules: &["credential-read"],
            ..Expect::clean()
        },
    }
}
