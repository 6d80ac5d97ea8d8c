//! A wheel that, when it is imported, reads credential files and does nothing with them yet.
//!
//! Must be found: the reading; it is no theft.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import os

for name in (".ssh/id_rsa", ".aws/credentials", ".git-credentials"):
    try:
        with open(os.path.join(os.path.expanduser("~"), name)) as file:
            file.read()
    except OSError:
        pass
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("vaultlint", "0.2.0").file("vaultlint/__init__.py", INIT);
    Specimen {
        name: "pypi-reads-credentials",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::suspicious(&["credential-read"]),
    }
}
