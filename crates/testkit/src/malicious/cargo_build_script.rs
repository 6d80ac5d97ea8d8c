//! A crate whose build script sends a key.
//!
//! Must be found: theft by what runs when anything that depends on the crate is built.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen, thief};

pub(super) fn specimen() -> Specimen {
    Crate::new("fast-hashing", "1.0.1")
        .file(
            "src/lib.rs",
            "pub fn hash(text: &str) -> usize {\n    text.len()\n}\n",
        )
        .file(
            "build.rs",
            &format!("fn main() {{\n    collect();\n}}\n{}", thief::RUST),
        )
        .specimen("cargo-build-script", Expect::malicious(thief::RULES))
}
