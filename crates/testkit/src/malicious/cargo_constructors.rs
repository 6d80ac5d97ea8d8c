//! Crates with code that runs before `main` of whatever is linked with them, or when they are loaded.
//!
//! Must be found: theft by a program that never calls the crate.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen, thief};

const START: &str = r#"#[used]
#[link_section = ".init_array"]
static START: extern "C" fn() = start;

extern "C" fn start() {
    collect();
}
"#;

pub(super) fn specimens() -> [Specimen; 2] {
    let source = format!("{START}{}", thief::RUST);
    [
        Crate::new("tiny-time", "0.1.4")
            .manifest("[lib]\nname = \"tiny_clock\"")
            .file("src/lib.rs", &source)
            .specimen("cargo-linked-constructor", Expect::malicious(thief::RULES)),
        Crate::new("tiny-binding", "0.1.4")
            .manifest("[lib]\ncrate-type = [\"cdylib\"]")
            .file("src/lib.rs", &source)
            .specimen("cargo-loaded-constructor", Expect::malicious(thief::RULES)),
    ]
}
