//! A crate with everything that runs, none of which does harm: a build script that asks the compiler's version and
//! writes into its folder, a dependency's macro, code before `main`, a program and an example.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen};

const SCRIPT: &str = r#"fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap();
    let version = std::process::Command::new(rustc).arg("--version").output().unwrap();
    let folder = std::env::var("OUT_DIR").unwrap();
    std::fs::write(format!("{folder}/version.rs"), format!("{:?}", String::from_utf8_lossy(&version.stdout))).unwrap();
    println!("cargo:rustc-cfg=checked");
    println!("cargo:rerun-if-changed=build.rs");
}
"#;

const LIBRARY: &str = r#"#![deny(warnings)]
fn unused_and_denied() {}

pub const COMPILER: &str = include!(concat!(env!("OUT_DIR"), "/version.rs"));

#[derive(mild_derive::Mild)]
pub struct Item;

#[used]
#[link_section = ".init_array"]
static START: extern "C" fn() = start;

extern "C" fn start() {
    std::hint::black_box(COMPILER);
}
"#;

const MACRO: &str = r#"#[proc_macro_derive(Mild)]
pub fn mild(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    "impl Item { pub fn value() -> u32 { 1 } }".parse().unwrap()
}
"#;

const PROGRAM: &str =
    "fn main() {\n    println!(\"{} {}\", odd_name::COMPILER, odd_name::Item::value());\n}\n";

pub(super) fn specimen() -> Specimen {
    Crate::new("mild-mannered", "1.2.3")
        .manifest("[lib]\nname = \"odd_name\"\n[dependencies]\nmild-derive = \"1\"")
        .file("build.rs", SCRIPT)
        .file("src/lib.rs", LIBRARY)
        .file("src/main.rs", PROGRAM)
        .file("examples/show.rs", PROGRAM)
        .specimen("cargo-everything", Expect::clean())
        .serving(
            &Crate::new("mild-derive", "1.0.0")
                .manifest("[lib]\nproc-macro = true")
                .file("src/lib.rs", MACRO),
        )
}
