//! A wheel with a `.pth` file that runs a harmless line, as setuptools' own does.
//!
//! Must be clean although code runs at every start of the interpreter.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("pathshim", "1.0")
        .file("_pathshim.py", "enabled = False\n")
        .file(
            "pathshim.pth",
            "import os; os.environ.get('PATHSHIM') == 'local' and __import__('_pathshim')\n",
        );
    Specimen {
        name: "pypi-harmless-path-file",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::clean(),
    }
}
