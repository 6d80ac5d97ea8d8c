//! A wheel that, when it is imported, changes the code of another installed distribution.
//!
//! Must be found.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const REQSHIM_INIT_PY: &str = r#"import tinypad

with open(tinypad.__file__, "a") as file:
    file.write("\nEXTRA = True\n")
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("reqshim", "1.0.2")
        .file("reqshim/__init__.py", REQSHIM_INIT_PY)
        .requires("tinypad");
    package
        .specimen(
            "pypi-patches-neighbour",
            Expect::suspicious(&["foreign-package-modified"]),
        )
        .serving(&Wheel::new("tinypad", "1.0.0").file("tinypad/__init__.py", "PAD = 1\n"))
}
