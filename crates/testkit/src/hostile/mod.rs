//! What must change nothing, or end in a limit that is named.

mod maven_exits_when_loaded;
mod npm_disk_fill;
mod npm_endless_output;
mod npm_esm_only;
mod npm_exits_at_import;
mod npm_fake_output;
mod npm_fork_bomb;
mod npm_hangs_at_import;
mod pypi_exits_at_import;
mod pypi_ignores_sigterm;
mod pypi_inode_fill;
mod pypi_kills_everything;
mod pypi_memory_bomb;
mod pypi_odd_arguments;
mod pypi_raising_class;

use crate::{Jar, Specimen};

/// Java archives among them.
pub(super) fn jars() -> Vec<Jar> {
    vec![maven_exits_when_loaded::jar()]
}

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        npm_fake_output::specimen(),
        pypi_odd_arguments::specimen(),
        pypi_raising_class::specimen(),
        npm_esm_only::specimen(),
        npm_exits_at_import::specimen(),
        pypi_exits_at_import::specimen(),
        pypi_kills_everything::specimen(),
        pypi_ignores_sigterm::specimen(),
        npm_fork_bomb::specimen(),
        pypi_memory_bomb::specimen(),
        npm_disk_fill::specimen(),
        pypi_inode_fill::specimen(),
        npm_endless_output::specimen(),
        npm_hangs_at_import::specimen(),
        maven_exits_when_loaded::specimen(),
    ]
}
