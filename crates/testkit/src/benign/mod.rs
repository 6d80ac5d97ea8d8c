//! What must be left alone, though it looks a little like the other two.

mod apk;
mod cargo_everything;
mod composer_library;
mod gem_native;
mod maven_everything;
mod npm_client;
mod npm_native_dependency;
mod npm_prints;
mod pypi_client;
mod pypi_harmless_path_file;
mod pypi_sdist_only;
mod pypi_wheel_only;

use crate::{Jar, Specimen};

/// Java archives among them.
pub(super) fn jars() -> Vec<Jar> {
    vec![maven_everything::jar()]
}

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = vec![
        npm_prints::specimen(),
        npm_native_dependency::specimen(),
        npm_client::specimen(),
        pypi_client::specimen(),
        pypi_sdist_only::specimen(),
        pypi_wheel_only::specimen(),
        pypi_harmless_path_file::specimen(),
        gem_native::specimen(),
        cargo_everything::specimen(),
        maven_everything::specimen(),
        composer_library::specimen(),
    ];
    all.extend(apk::specimens());
    all
}
