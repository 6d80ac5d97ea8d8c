//! A Java library whose class sends a key when it is initialised. Nothing calls it.
//!
//! Must be found: in the import phase, in the static initialiser.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    static {
        send("initialised");
    }

    public static String left(String text, int width) {
        return text;
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class("com.example.tools.strings", "Padding", BODY);
    Jar::new("com.example.tools:string-tools", "1.4.2")
        .source("com/example/tools/strings/Padding.java", &source)
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-static-initialiser",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
