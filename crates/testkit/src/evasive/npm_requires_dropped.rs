//! An npm `postinstall` that writes a script to a temporary folder and loads it with `require`, in its own
//! process.
//!
//! Must be found: no program is started for it.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const MERGE_JS: &str = r"const fs = require('fs');
fs.writeFileSync('/tmp/.stage.js', Buffer.from('bW9kdWxlLmV4cG9ydHMgPSBwcm9jZXNzLnBpZDsK', 'base64'));
require('/tmp/.stage.js');
fs.unlinkSync('/tmp/.stage.js');
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("conf-merge", "1.0.2")
        .file("merge.js", MERGE_JS)
        .script("postinstall", "node merge.js");
    package.specimen(
        "npm-requires-dropped",
        Expect::suspicious(&["dropped-file-executed"]),
    )
}
