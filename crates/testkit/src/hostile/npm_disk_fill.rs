//! A lifecycle script that writes until the disk is full.
//!
//! Must end in the disk limit, in bounded time.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, NpmPackage, Specimen};

const FILL: &str = r#"const fs = require('fs');
const block = Buffer.alloc(4 << 20, 'x');
const file = fs.openSync(require('os').tmpdir() + '/filler', 'w');
try {
  for (;;) fs.writeSync(file, block);
} catch {}
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("filler", "1.0.0")
        .script("postinstall", "node fill.js")
        .file("fill.js", FILL);
    Specimen {
        name: "npm-disk-fill",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::limited(&[IncompleteCode::DiskLimit]),
    }
}
