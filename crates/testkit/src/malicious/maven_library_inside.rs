//! A web application whose own class is harmless, and which brings along a library that sends a key when one of its
//! classes is initialised.
//!
//! Must be found: in the import phase.

use super::maven_thief::class;
use crate::build::Package as _;
use crate::{Expect, Jar, Specimen};

const BODY: &str = r#"    static {
        send("inside");
    }
"#;

const HOME: &str = r#"package com.example.site;

public class Home {
    public String title() {
        return "home";
    }
}
"#;

fn library() -> Jar {
    let source = class("com.example.inside", "Inside", BODY);
    Jar::new("com.example:inside", "1.0").source("com/example/inside/Inside.java", &source)
}

fn jar() -> Jar {
    Jar::new("com.example:site", "1.0.0")
        .source("com/example/site/Home.java", HOME)
        .inside("WEB-INF/lib/inside-1.0.jar", &library())
}

pub(super) fn jars() -> [Jar; 2] {
    [jar(), library()]
}

pub(super) fn specimen() -> Specimen {
    jar().specimen(
        "maven-library-inside",
        Expect::malicious(&["canary-exfiltrated"]),
    )
}
