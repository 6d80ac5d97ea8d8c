//! What must be found.

mod apk_changed;
mod apk_dependency;
mod apk_hooks;
mod apk_program;
mod callers_key;
mod cargo_build_script;
mod cargo_compiled_in_key;
mod cargo_constructors;
mod cargo_dependency_build_script;
mod cargo_dependency_macro;
mod cargo_macro_drops;
mod cargo_macros;
mod cargo_programs;
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
mod npm_chat_bot;
mod npm_dead_drop;
mod npm_dropper;
mod npm_import_environment_by_dns;
mod npm_mails_ssh_key;
mod npm_metadata_credentials;
mod npm_miner;
mod npm_persistence;
mod npm_postinstall_ssh_key;
mod npm_reverse_shell;
mod npm_static_binary;
mod npm_steals_when_called;
mod npm_uploads_ssh_key;
mod npm_worm_publishes;
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
    let mut all = vec![
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
        npm_mails_ssh_key::specimen(),
        npm_uploads_ssh_key::specimen(),
        npm_chat_bot::specimen(),
        npm_miner::specimen(),
        pypi_fingerprint::specimen(),
        pypi_runs_from_memory::specimen(),
        pypi_reads_credentials::specimen(),
        gem_extconf_ssh_key::specimen(),
        cargo_build_script::specimen(),
        cargo_compiled_in_key::specimen(),
        cargo_dependency_build_script::specimen(),
        cargo_dependency_macro::specimen(),
        cargo_macro_drops::specimen(),
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
        apk_program::specimen(),
        apk_dependency::specimen(),
        apk_changed::specimen(),
    ];
    all.extend(apk_hooks::specimens());
    all.extend(cargo_constructors::specimens());
    all.extend(cargo_macros::specimens());
    all.extend(cargo_programs::specimens());
    all.extend(callers_key::specimens());
    all
}
