//! A PHP library that requires a Composer plug-in which sends cloud credentials.
//!
//! Must be found, and be told as the dependency's doing.

use serde_json::json;

use super::composer_plugin;
use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/harmless", "1.0.0")
        .field("require", json!({"acme/speed": "^1.0"}))
        .file("src/nothing.php", "<?php\n");
    package
        .specimen(
            "composer-evil-dependency",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .serving(&composer_plugin::package())
        .blaming("acme/speed")
        .telling("in its Composer plug-in hook")
}
