//! A lifecycle script that runs a program which a dependency brought from the registry, as esbuild does.
//!
//! Must be clean although a downloaded program runs at installation.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen, elf};

const INSTALL: &str = r#"const { execFileSync } = require('child_process');
const program = require.resolve('quick-bundler-linux-x64/bin/bundler');
if (execFileSync(program, ['--version']).toString() !== 'ok\n') throw new Error('broken');
"#;

pub(super) fn specimen() -> Specimen {
    let native = NpmPackage::new("quick-bundler-linux-x64", "1.0.0").bytes(
        "bin/bundler",
        elf::says_ok(),
        0o755,
    );
    let package = NpmPackage::new("quick-bundler", "1.0.0")
        .field("main", "index.js".into())
        .field(
            "optionalDependencies",
            serde_json::json!({"quick-bundler-linux-x64": "1.0.0"}),
        )
        .script("postinstall", "node install.js")
        .file("index.js", "exports.version = '1.0.0';\n")
        .file("install.js", INSTALL);
    Specimen {
        name: "npm-native-dependency",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: vec![(native.filename(), native.build())],
        expect: Expect::clean(),
    }
}
