//! A wheel with a console script, a `__main__` and a function that would serve for ever.
//!
//! Must be clean and complete: a function that waits is no limit that was hit.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import time

def serve(host, port=8000):
    while True:
        time.sleep(1)

async def fetch(url):
    return url
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("plainserve", "0.5.0")
        .console_script("plainserve = plainserve.cli:main")
        .file("plainserve/__init__.py", INIT)
        .file(
            "plainserve/cli.py",
            "import sys\n\n\ndef main():\n    print('usage: plainserve', sys.argv[1:])\n",
        )
        .file(
            "plainserve/__main__.py",
            "from .cli import main\n\nmain()\n",
        );
    Specimen {
        name: "pypi-wheel-only",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::clean(),
    }
}
