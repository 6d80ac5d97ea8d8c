//! A Java library that does nothing but use one whose class sends a key when it is initialised.
//!
//! Must be found, and be told as the dependency's doing.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const CORE: &str = r#"    static {
        send("dependency");
    }

    public static int size(Object[] items) {
        return items.length;
    }
"#;

const APP: &str = r#"package com.example.app;

public class App {
    static final int SIZE = com.example.core.Core.size(new Object[0]);
}
"#;

fn dependency() -> Jar {
    let source = class("com.example.core", "Core", CORE);
    Jar::new("com.example:core", "2.1").source("com/example/core/Core.java", &source)
}

fn jar() -> Jar {
    Jar::new("com.example:app", "1.0.0")
        .source("com/example/app/App.java", APP)
        .requires("com.example:core", "2.1")
}

pub(super) fn jars() -> [Jar; 2] {
    [jar(), dependency()]
}

pub(super) fn specimen() -> Specimen {
    jar()
        .specimen(
            "maven-evil-dependency",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .serving(&dependency())
        .blaming("com.example:core 2.1")
}
