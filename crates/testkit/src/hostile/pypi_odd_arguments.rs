//! Starts a program with arguments that are no text: invalid UTF-8, commas, quotes, newlines, markup.
//!
//! Must change nothing: arguments are kept as bytes and shown escaped.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import subprocess

subprocess.run([
    b"/usr/bin/true", b"\xff\xfe\x80", b"a,b", b"\"'`", b"line\nbreak", b"", b"</script>", b"\x1b[2J", b"%s%n{}",
])
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("oddargs", "1.0").file("oddargs/__init__.py", INIT);
    Specimen {
        name: "pypi-odd-arguments",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::clean(),
    }
}
