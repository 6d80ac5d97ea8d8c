//! An executable Java archive with a harmless program, and an agent that `java -jar` starts before it.
//!
//! Must be found: in the execute phase.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    public static void main(String[] args) {
        System.out.println("hello");
    }

    public static void agentmain(String options) {
        send("launcher-agent");
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class("com.example.tools.launcher", "Helper", BODY);
    Jar::new("com.example.tools:launch-helper", "1.1.0")
        .source("com/example/tools/launcher/Helper.java", &source)
        .attribute("Main-Class", "com.example.tools.launcher.Helper")
        .attribute("Launcher-Agent-Class", "com.example.tools.launcher.Helper")
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-launcher-agent",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
