//! Crates with a procedural macro of each kind that sends a key when it is used.
//!
//! Must be found: theft inside the compiler of whoever uses the macro.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen, thief};

fn with(name: &'static str, crate_name: &str, item: &str) -> Specimen {
    let source = format!("use proc_macro::TokenStream;\n\n{item}{}", thief::RUST);
    Crate::new(crate_name, "0.3.0")
        .manifest("[lib]\nproc-macro = true")
        .file("src/lib.rs", &source)
        .specimen(name, Expect::malicious(thief::RULES))
}

pub(super) fn specimens() -> [Specimen; 3] {
    [
        with(
            "cargo-function-macro",
            "quick-format",
            "#[proc_macro]\npub fn quick(input: TokenStream) -> TokenStream {\n    collect();\n    input\n}\n",
        ),
        with(
            "cargo-derive-macro",
            "quick-derive",
            "#[proc_macro_derive(Quick, attributes(quick))]\npub fn derive(_: TokenStream) -> TokenStream {\n    \
             collect();\n    TokenStream::new()\n}\n",
        ),
        with(
            "cargo-attribute-macro",
            "quick-attribute",
            "#[proc_macro_attribute]\npub fn quick(_: TokenStream, item: TokenStream) -> TokenStream {\n    \
             collect();\n    item\n}\n",
        ),
    ]
}
