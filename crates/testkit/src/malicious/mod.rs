//! What must be found.

mod npm_dead_drop;
mod npm_dropper;
mod npm_import_environment_by_dns;
mod npm_metadata_credentials;
mod npm_persistence;
mod npm_postinstall_ssh_key;
mod npm_reverse_shell;
mod npm_static_binary;
mod npm_steals_when_called;
mod npm_worm_publishes;
mod pypi_daemon;
mod pypi_fingerprint;
mod pypi_import_environment_by_dns;
mod pypi_pth_stealer;
mod pypi_reads_credentials;
mod pypi_runs_from_memory;
mod pypi_setup_downloads_and_runs;
mod pypi_steals_when_called;

use crate::Specimen;

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        npm_postinstall_ssh_key::specimen(),
        pypi_setup_downloads_and_runs::specimen(),
        pypi_pth_stealer::specimen(),
        npm_import_environment_by_dns::specimen(),
        pypi_import_environment_by_dns::specimen(),
        npm_steals_when_called::specimen(),
        pypi_steals_when_called::specimen(),
        npm_dropper::specimen(),
        npm_dead_drop::specimen(),
        npm_metadata_credentials::specimen(),
        npm_worm_publishes::specimen(),
        pypi_daemon::specimen(),
        npm_static_binary::specimen(),
        npm_reverse_shell::specimen(),
        npm_persistence::specimen(),
        pypi_fingerprint::specimen(),
        pypi_runs_from_memory::specimen(),
        pypi_reads_credentials::specimen(),
    ]
}
