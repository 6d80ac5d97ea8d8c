//! An ES module package without any CommonJS, with a top-level await.
//!
//! Must change nothing: it is imported and its functions are called.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("esm-thing", "2.0.0")
        .field("type", "module".into())
        .field(
            "exports",
            serde_json::json!({".": "./index.js", "./extra": {"import": "./extra.mjs"}}),
        )
        .file(
            "index.js",
            "export default await Promise.resolve(() => 1);\n",
        )
        .file(
            "extra.mjs",
            "export class Extra { run() { return this; } }\n",
        );
    Specimen {
        name: "npm-esm-only",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::clean(),
    }
}
