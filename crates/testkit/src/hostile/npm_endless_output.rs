//! A lifecycle script that prints far more than is kept.
//!
//! Must end in the output limit, in bounded time.

use apa_model::{Ecosystem, IncompleteCode};

use crate::{Expect, NpmPackage, Specimen};

pub(super) fn specimen() -> Specimen {
    let package =
        NpmPackage::new("babbler", "1.0.0").script("postinstall", "timeout 3 yes || true");
    Specimen {
        name: "npm-endless-output",
        ecosystem: Ecosystem::Npm,
        filename: package.filename(),
        bytes: package.build(),
        served: Vec::new(),
        expect: Expect::limited(&[IncompleteCode::OutputLimit]),
    }
}
