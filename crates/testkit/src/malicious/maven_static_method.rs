//! A Java library that sends a key when one of its methods is called.
//!
//! Must be found: in the execute phase.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    public static long now() {
        send("called");
        return 0;
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class("com.example.tools.dates", "Dates", BODY);
    Jar::new("com.example.tools:date-tools", "1.0.1")
        .source("com/example/tools/dates/Dates.java", &source)
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-static-method",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
