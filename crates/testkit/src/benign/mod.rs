//! What must be left alone, though it looks a little like the other two.

mod npm_client;
mod npm_cloud_sdk;
mod npm_native_dependency;
mod npm_prints;
mod pypi_client;
mod pypi_harmless_path_file;
mod pypi_sdist_only;
mod pypi_wheel_only;

use crate::Specimen;

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        npm_prints::specimen(),
        npm_native_dependency::specimen(),
        npm_client::specimen(),
        npm_cloud_sdk::specimen(),
        pypi_client::specimen(),
        pypi_sdist_only::specimen(),
        pypi_wheel_only::specimen(),
        pypi_harmless_path_file::specimen(),
    ]
}
