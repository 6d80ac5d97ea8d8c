//! Makes empty files when it is imported, until no more can be made.
//!
//! Must end in the disk limit, in bounded time.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import os
import tempfile

folder = tempfile.mkdtemp()
try:
    for number in range(10_000_000):
        os.mknod(os.path.join(folder, str(number)))
except OSError:
    pass
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("sprinkler", "1.0").file("sprinkler/__init__.py", INIT);
    Specimen {
        name: "pypi-inode-fill",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::limited(&[IncompleteCode::DiskLimit]),
    }
}
