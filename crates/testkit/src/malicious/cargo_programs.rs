//! Crates that send a key when their program, or an example, is run.
//!
//! Must be found: theft by what is only built when the crate itself is.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen, thief};

pub(super) fn specimens() -> [Specimen; 3] {
    let source = format!("fn main() {{\n    collect();\n}}\n{}", thief::RUST);
    let expect = || Expect::malicious(thief::RULES);
    [
        Crate::new("line-count", "0.2.0")
            .file("src/main.rs", &source)
            .specimen("cargo-program", expect()),
        Crate::new("word-count", "0.2.0")
            .file(
                "src/lib.rs",
                "pub fn count(text: &str) -> usize {\n    text.len()\n}\n",
            )
            .file("src/bin/words.rs", &source)
            .specimen("cargo-program-beside-library", expect()),
        Crate::new("byte-count", "0.2.0")
            .file(
                "src/lib.rs",
                "pub fn count(text: &str) -> usize {\n    text.len()\n}\n",
            )
            .file("examples/usage.rs", &source)
            .specimen("cargo-example", expect()),
    ]
}
