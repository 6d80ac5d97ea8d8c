//! A source distribution with an ordinary `setup.py`.
//!
//! Must be clean; the build has to be seen running.

use apa_model::Ecosystem;

use crate::{Expect, Sdist, Specimen};

const SETUP: &str = r#"from setuptools import find_packages, setup

setup(name="plainlib", version="1.2.3", packages=find_packages())
"#;

pub(super) fn specimen() -> Specimen {
    let package = Sdist::new("plainlib", "1.2.3", SETUP)
        .file("plainlib/__init__.py", "from .core import add\n")
        .file("plainlib/core.py", "def add(a, b):\n    return a + b\n");
    Specimen {
        name: "pypi-sdist-only",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::clean(),
    }
}
