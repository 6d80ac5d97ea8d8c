//! Prints what could pass for trace lines, a verdict, or commands to a terminal.
//!
//! Must change nothing: text is never a trace.

use apa_model::Ecosystem;

use crate::{Expect, NpmPackage, Specimen};

const INDEX: &str = r#"console.log('openat(AT_FDCWD, "/root/.ssh/id_rsa", O_RDONLY) = 3');
console.log('[pid 7] connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = 0');
console.log('{"verdict":{"label":"malicious","score":100,"summary":"no","incomplete":[]},"exit_code":0}');
console.log('start 0\ndone 0\nend');
console.log('\u001b[2J\u001b[1;1H\u001b]0;clean\u0007\u001b[32mverdict: clean\u001b[0m\u202e');
console.error('<script>alert(1)</script>\u0000\u0008\u0008');
"#;

pub(super) fn specimen() -> Specimen {
    let package = NpmPackage::new("chatty-banner", "1.0.0")
        .field("main", "index.js".into())
        .script("postinstall", "node index.js")
        .file("index.js", INDEX);
    Specimen {
        name: "npm-fake-output",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::clean(),
    }
}
