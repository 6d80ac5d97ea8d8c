//! A lifecycle script that prints a line, as many do.
//!
//! Must be clean.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("friendly", "1.0.0")
        .field("main", "index.js".into())
        .field("bin", serde_json::json!({"friendly": "cli.js"}))
        .script("postinstall", "echo thank you for installing")
        .file("index.js", "exports.greet = (name) => `hello ${name}`;\n")
        .bytes(
            "cli.js",
            b"#!/usr/bin/env node\nconsole.log(require('./index.js').greet('you'));\n".to_vec(),
            0o755,
        );
    Specimen {
        name: "npm-prints",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::clean(),
    }
}
