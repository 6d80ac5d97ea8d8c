//! A crate that uses a dependency's derive macro, which sends a key.
//!
//! Must be found. Inside the compiler nothing tells the macro from the crate that uses it, so it is told as the
//! package's.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen, thief};

pub(super) fn specimen() -> Specimen {
    let source = "#[proc_macro_derive(Plain)]\npub fn plain(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \
                  collect();\n    proc_macro::TokenStream::new()\n}\n";
    Crate::new("shapes", "1.0.0")
        .manifest("[dependencies]\nplain-derive = \"1\"")
        .file(
            "src/lib.rs",
            "#[derive(plain_derive::Plain)]\npub struct Shape;\n",
        )
        .specimen("cargo-dependency-macro", Expect::malicious(thief::RULES))
        .serving(
            &Crate::new("plain-derive", "1.0.0")
                .manifest("[lib]\nproc-macro = true")
                .file("src/lib.rs", &format!("{source}{}", thief::RUST)),
        )
}
