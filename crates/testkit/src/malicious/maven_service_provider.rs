//! A Java library that offers a provider of a service. Its constructor sends a key: whoever asks for the
//! service makes it.
//!
//! Must be found: in the import phase, in the service provider.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    public Bridge() {
        send("service");
    }

    @Override
    public void run() {
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class(
        "com.example.tools.bridge",
        "Bridge implements Runnable",
        BODY,
    );
    Jar::new("com.example.tools:log-bridge", "2.0.1")
        .source("com/example/tools/bridge/Bridge.java", &source)
        .provides("java.lang.Runnable", "com.example.tools.bridge.Bridge")
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-service-provider",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
