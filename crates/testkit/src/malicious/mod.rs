//! What must be found.

mod gem_extconf_ssh_key;
mod maven_annotation_processor;
mod maven_attached_agent;
mod maven_evil_dependency;
mod maven_javaagent;
mod maven_launcher_agent;
mod maven_library_inside;
mod maven_main_class;
mod maven_plugin_goal;
mod maven_service_provider;
mod maven_static_initialiser;
mod maven_static_method;
mod maven_thief;
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

use crate::{Jar, Specimen};

/// Java archives among them, with what those depend on.
pub(super) fn jars() -> Vec<Jar> {
    let mut jars = vec![
        maven_static_initialiser::jar(),
        maven_service_provider::jar(),
        maven_main_class::jar(),
        maven_javaagent::jar(),
        maven_launcher_agent::jar(),
        maven_attached_agent::jar(),
        maven_annotation_processor::jar(),
        maven_plugin_goal::jar(),
        maven_static_method::jar(),
    ];
    jars.extend(maven_evil_dependency::jars());
    jars.extend(maven_library_inside::jars());
    jars
}

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
        maven_static_initialiser::specimen(),
        maven_service_provider::specimen(),
        maven_main_class::specimen(),
        maven_javaagent::specimen(),
        maven_launcher_agent::specimen(),
        maven_attached_agent::specimen(),
        maven_annotation_processor::specimen(),
        maven_plugin_goal::specimen(),
        maven_static_method::specimen(),
        maven_evil_dependency::specimen(),
        maven_library_inside::specimen(),
    ]
}
