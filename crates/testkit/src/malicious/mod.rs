//! What must be found.

mod composer_autoload_file;
mod composer_evil_dependency;
mod composer_function;
mod composer_include;
mod composer_phar;
mod composer_plugin;
mod composer_program;
mod composer_project_command;
mod composer_project_method;
mod composer_project_php;
mod gem_cmake;
mod gem_configure;
mod gem_crash_then_require;
mod gem_evil_dependency;
mod gem_evil_dependency_plugin;
mod gem_executable;
mod gem_extconf_ssh_key;
mod gem_mkrf_conf;
mod gem_plugin;
mod gem_plugin_hook;
mod gem_rakefile;
mod gem_require;
mod gem_steals_when_called;
mod npm_dropper;
mod npm_import_environment_by_dns;
mod npm_persistence;
mod npm_postinstall_ssh_key;
mod npm_reverse_shell;
mod npm_static_binary;
mod npm_steals_when_called;
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
        pypi_daemon::specimen(),
        npm_static_binary::specimen(),
        npm_reverse_shell::specimen(),
        npm_persistence::specimen(),
        pypi_fingerprint::specimen(),
        pypi_runs_from_memory::specimen(),
        pypi_reads_credentials::specimen(),
        gem_extconf_ssh_key::specimen(),
        composer_plugin::specimen(),
        gem_rakefile::specimen(),
        gem_mkrf_conf::specimen(),
        gem_configure::specimen(),
        gem_cmake::specimen(),
        gem_plugin::specimen(),
        gem_plugin_hook::specimen(),
        gem_require::specimen(),
        gem_crash_then_require::specimen(),
        gem_executable::specimen(),
        gem_steals_when_called::specimen(),
        gem_evil_dependency::specimen(),
        gem_evil_dependency_plugin::specimen(),
        composer_project_command::specimen(),
        composer_project_php::specimen(),
        composer_project_method::specimen(),
        composer_autoload_file::specimen(),
        composer_include::specimen(),
        composer_program::specimen(),
        composer_phar::specimen(),
        composer_function::specimen(),
        composer_evil_dependency::specimen(),
    ]
}
