//! A plugin for Maven whose goal sends a key.
//!
//! Must be found: in the install phase, in the genuine Maven that runs the goal.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    @Override
    public void execute() {
        send("goal");
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class(
        "com.example.tools.stamp",
        "Stamp extends org.apache.maven.plugin.AbstractMojo",
        BODY,
    );
    Jar::new("com.example.tools:stamp-maven-plugin", "1.2.0")
        .source("com/example/tools/stamp/Stamp.java", &source)
        .goal("stamp", "com.example.tools.stamp.Stamp")
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-plugin-goal",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
