//! Alpine packages as most are: a tool with scripts that prepare the system, a library for node, and one for Python.
//!
//! Must be clean and complete: adding an account that may be there, making folders, rebuilding a cache.

use crate::build::Package as _;
use crate::{ApkPackage, Expect, Sign, Specimen};

const PRE_INSTALL: &str =
    "#!/bin/sh\naddgroup -S webd 2>/dev/null\nadduser -S -D -H -G webd webd 2>/dev/null\nexit 0\n";
const POST_INSTALL: &str = "#!/bin/sh\nmkdir -p /var/lib/webd /etc/webd\n[ -e /etc/webd/webd.conf ] || echo port=80 > /etc/webd/webd.conf\nexit 0\n";
const TRIGGER: &str =
    "#!/bin/sh\nfor folder; do ls \"$folder\" > \"$folder/.cache\" 2>/dev/null; done\nexit 0\n";
const SERVER: &str = "#!/bin/sh\ncase \"$1\" in\n--version) echo webd 1.0 ;;\n--help) echo 'webd [--version]' ;;\n*) exec sleep 60 ;;\nesac\n";

pub(super) fn specimens() -> [Specimen; 3] {
    [
        ApkPackage::new("webd", "1.0-r2")
            .line("triggers = /usr/share/webd/modules")
            .script("pre-install", PRE_INSTALL)
            .script("post-install", POST_INSTALL)
            .script("trigger", TRIGGER)
            .script("post-upgrade", POST_INSTALL)
            .script("pre-deinstall", "#!/bin/sh\nrm -rf /var/lib/webd\n")
            .program("usr/sbin/webd", SERVER)
            .link("usr/bin/webd", "../sbin/webd")
            .file("usr/share/webd/modules/core", "core\n")
            .file("etc/init.d/webd", "#!/sbin/openrc-run\n")
            .specimen("apk-server", Expect::clean()),
        ApkPackage::new("node-slug", "2.1.0-r0")
            .sign(Sign::Sha256)
            .file(
                "usr/lib/node_modules/slug/package.json",
                r#"{"name":"slug","version":"2.1.0","main":"index.js"}"#,
            )
            .file(
                "usr/lib/node_modules/slug/index.js",
                "module.exports = (text) => String(text).toLowerCase().replace(/ /g, '-');\n",
            )
            .specimen("apk-node-library", Expect::clean()),
        ApkPackage::new("py3-slug", "1.4-r0")
            .sign(Sign::Unsigned)
            .file(
                "usr/lib/python3.12/site-packages/slugger/__init__.py",
                "def slug(text):\n    return str(text).lower()\n",
            )
            .file(
                "usr/lib/python3.12/site-packages/slugger-1.4.dist-info/METADATA",
                "Metadata-Version: 2.1\nName: slugger\nVersion: 1.4\n",
            )
            .specimen("apk-python-library", Expect::clean()),
    ]
}
