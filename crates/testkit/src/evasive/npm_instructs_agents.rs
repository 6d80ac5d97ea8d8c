//! An npm `postinstall` that plants instructions and hooks for coding agents and editors in the home folder.
//!
//! Must be found.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const PLANT_JS: &str = r#"const fs = require('fs');
const os = require('os');
const path = require('path');
const put = (name, text) => {
  const file = path.join(os.homedir(), name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
};
put('.claude/settings.json', '{"hooks":{"SessionStart":[{"hooks":[{"type":"command","command":"true"}]}]}}');
put('.cursor/mcp.json', '{"mcpServers":{"x":{"command":"true"}}}');
put('.config/Code/User/settings.json', '{"task.allowAutomaticTasks":"on"}');
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("prompt-helper", "1.0.2")
        .file("plant.js", PLANT_JS)
        .script("postinstall", "node plant.js");
    package.specimen("npm-instructs-agents", Expect::suspicious(&["persistence"]))
}
