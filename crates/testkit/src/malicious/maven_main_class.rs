//! An executable Java archive whose program sends a key.
//!
//! Must be found: in the execute phase, in the program that its manifest names.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    public static void main(String[] args) {
        send("program");
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class("com.example.tools.cli", "Cli", BODY);
    Jar::new("com.example.tools:quick-cli", "0.3.0")
        .source("com/example/tools/cli/Cli.java", &source)
        .attribute("Main-Class", "com.example.tools.cli.Cli")
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-main-class",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
