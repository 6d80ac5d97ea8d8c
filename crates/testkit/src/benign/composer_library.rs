//! A PHP library with a dependency, an autoload file, a program, scripts for its own development and typed functions.
//!
//! Must be clean and complete.

use serde_json::json;

use crate::build::Package as _;
use crate::{ComposerPackage, Expect, Specimen};

const HELPERS: &str = r"<?php

function plain_words(string ...$words): string
{
    return implode(' ', $words);
}
";

const CLOCK: &str = r"<?php

namespace Acme\Clock;

use Acme\Format\Formatter;

final class Clock
{
    public function __construct(private Formatter $formatter, private ?string $zone = null)
    {
    }

    public static function utc(): self
    {
        return new self(new Formatter(), 'UTC');
    }

    public function tell(int $at): string
    {
        return plain_words($this->formatter->format($at), $this->zone ?? 'local');
    }

    public function each(callable $what): iterable
    {
        yield $what(1);
    }
}
";

const FORMATTER: &str = r"<?php

namespace Acme\Format;

class Formatter
{
    public function format(int $at): string
    {
        return gmdate('c', $at);
    }
}
";

const PROGRAM: &str = r"#!/usr/bin/env php
<?php
require $GLOBALS['_composer_autoload_path'] ?? __DIR__ . '/../../../autoload.php';
echo Acme\Clock\Clock::utc()->tell(0), PHP_EOL;
";

pub(super) fn specimen() -> Specimen {
    let package = ComposerPackage::new("acme/clock", "2.1.0")
        .field("require", json!({"php": ">=7.4", "acme/format": "^1.0"}))
        .field(
            "autoload",
            json!({"psr-4": {"Acme\\Clock\\": "src/"}, "files": ["src/helpers.php"]}),
        )
        .field(
            "scripts",
            json!({"test": "phpunit", "post-autoload-dump": "@php -v"}),
        )
        .field("bin", json!(["bin/clock"]))
        .file("src/helpers.php", HELPERS)
        .file("src/Clock.php", CLOCK)
        .file("bin/clock", PROGRAM);
    let format = ComposerPackage::new("acme/format", "1.4.0")
        .field("autoload", json!({"psr-4": {"Acme\\Format\\": ""}}))
        .file("Formatter.php", FORMATTER);
    package
        .specimen("composer-library", Expect::clean())
        .serving(&format)
}
