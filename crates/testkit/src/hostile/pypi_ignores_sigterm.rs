//! Leaves a process behind that ignores every signal it can.
//!
//! Must change nothing: it is gone when the analysis is, and nothing is incomplete.

use apa_model::Ecosystem;

use crate::{Expect, Specimen, Wheel};

const INIT: &str = r#"import os
import signal
import time

if os.fork() == 0:
    os.setsid()
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        time.sleep(3600)
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("stayer", "1.0").file("stayer/__init__.py", INIT);
    Specimen {
        name: "pypi-ignores-sigterm",
        ecosystem: Ecosystem::Pypi,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect {
            labels: &[
                apa_model::VerdictLabel::Clean,
                apa_model::VerdictLabel::Suspicious,
            ],
            rules: &[],
            incomplete: &[],
            dependency: None,
            told: None,
        },
    }
}
