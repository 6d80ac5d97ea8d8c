//! Fills memory when it is imported.
//!
//! Must end in the memory limit, in bounded time.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"kept = []
while True:
    kept.append(b"x" * (16 << 20))
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("hoarder", "1.0").file("hoarder/__init__.py", INIT);
    Specimen {
        name: "pypi-memory-bomb",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::limited(&[IncompleteCode::MemoryLimit]),
    }
}
