//! A Java agent that sends a key before the program it is put into begins.
//!
//! Must be found: in the execute phase, in the agent.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    public static void premain(String options) {
        send("agent");
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class("com.example.tools.agent", "Agent", BODY);
    Jar::new("com.example.tools:metrics-agent", "1.0.9")
        .source("com/example/tools/agent/Agent.java", &source)
        .attribute("Premain-Class", "com.example.tools.agent.Agent")
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-javaagent",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
