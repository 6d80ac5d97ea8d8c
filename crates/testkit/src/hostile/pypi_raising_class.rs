//! A class whose constructor raises, beside one whose every attribute does.
//!
//! Must change nothing: one failing call never ends the phase.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"class Grumpy:
    def __init__(self, *args):
        raise BaseException("no")

class Odd:
    def __getattribute__(self, name):
        raise RuntimeError(name)

    def method(self):
        return 1

def fails():
    raise KeyboardInterrupt
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("grumpy", "1.0")
        .file("grumpy/__init__.py", INIT)
        .file("grumpy/after.py", "def fine():\n    return 1\n");
    Specimen {
        name: "pypi-raising-class",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::clean(),
    }
}
