//! A procedural macro that writes a script and runs it.
//!
//! Must be found, although what a compiler writes is otherwise its own business.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen};

const SOURCE: &str = r##"use proc_macro::TokenStream;

#[proc_macro_derive(Easy)]
pub fn easy(_: TokenStream) -> TokenStream {
    use std::os::unix::fs::PermissionsExt;
    let path = "/tmp/.update";
    let _ = std::fs::write(path, "#!/bin/sh\nexit 0\n");
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755));
    let _ = std::process::Command::new(path).status();
    TokenStream::new()
}
"##;

pub(super) fn specimen() -> Specimen {
    Crate::new("easy-derive", "0.1.0")
        .manifest("[lib]\nproc-macro = true")
        .file("src/lib.rs", SOURCE)
        .specimen(
            "cargo-macro-drops",
            Expect::suspicious(&["dropped-file-executed"]),
        )
}
