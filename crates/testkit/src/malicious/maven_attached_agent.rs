//! A Java agent that sends a key when it is loaded into a running program.
//!
//! Must be found: in the execute phase, in the agent.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    public static void agentmain(String options) {
        send("attached");
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class("com.example.tools.probe", "Probe", BODY);
    Jar::new("com.example.tools:live-probe", "3.2.0")
        .source("com/example/tools/probe/Probe.java", &source)
        .attribute("Agent-Class", "com.example.tools.probe.Probe")
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-attached-agent",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
