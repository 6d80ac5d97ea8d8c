//! A crate that does nothing but depend on one whose build script sends a key.
//!
//! Must be found, and be told as the dependency's doing, with its version.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen, thief};

pub(super) fn specimen() -> Specimen {
    Crate::new("good-looking-tool", "1.0.0")
        .manifest("[dependencies]\nquiet-core = \"=2.1.0\"")
        .file("src/lib.rs", "pub use quiet_core::value;\n")
        .specimen(
            "cargo-dependency-build-script",
            Expect::malicious(thief::RULES),
        )
        .serving(
            &Crate::new("quiet-core", "2.1.0")
                .file("src/lib.rs", "pub fn value() -> u32 {\n    1\n}\n")
                .file(
                    "build.rs",
                    &format!("fn main() {{\n    collect();\n}}\n{}", thief::RUST),
                ),
        )
        .blaming("quiet-core 2.1.0")
}
