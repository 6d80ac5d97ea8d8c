//! A crate that has the compiler read a key into it.
//!
//! Must be found: the reading, although the compiler does it.

use crate::build::Package as _;
use crate::{Crate, Expect, Specimen};

pub(super) fn specimen() -> Specimen {
    Crate::new("asset-pack", "0.9.0")
        .file(
            "src/lib.rs",
            "pub const ASSET: &str = include_str!(concat!(env!(\"HOME\"), \"/.ssh/id_rsa\"));\n",
        )
        .specimen(
            "cargo-compiled-in-key",
            Expect::suspicious(&["credential-read"]),
        )
}
