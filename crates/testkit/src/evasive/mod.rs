//! What must be found although it takes care not to be: known attacks in variants that a rule, a harness or a
//! decoder may miss.

mod npm_beacon;
mod npm_beacon_by_dns;
mod npm_bin_only;
mod npm_bundled_hook;
mod npm_chunks_in_queries;
mod npm_copies_then_sends_later;
mod npm_cron_and_unit;
mod npm_curl_takes_files;
mod npm_detached_sleeper;
mod npm_encrypted_upload;
mod npm_environment_in_headers;
mod npm_erases_itself;
mod npm_evaluates_download;
mod npm_evil_dependency;
mod npm_exit_handler;
mod npm_forges_report;
mod npm_git_carries_token;
mod npm_git_hands_out_password;
mod npm_instructs_agents;
mod npm_late_timer;
mod npm_loader_runs_dropped;
mod npm_metadata_service;
mod npm_miner_login;
mod npm_node_runs_dropped;
mod npm_patches_neighbour;
mod npm_poisons_settings;
mod npm_printenv_piped;
mod npm_renames_then_runs;
mod npm_replaces_harness;
mod npm_requires_dropped;
mod npm_reverse_shell_pipes;
mod npm_tar_of_keys;
mod npm_websocket;
mod npm_worker_thread;
mod npm_worm;
mod pypi_backend_in_tree;
mod pypi_datagram;
mod pypi_dependency_backend;
mod pypi_evaluates_download;
mod pypi_executes_descriptor;
mod pypi_forges_report;
mod pypi_late_timer;
mod pypi_lazy_attribute;
mod pypi_loads_dropped_library;
mod pypi_module_run_only;
mod pypi_nameless_file_runs;
mod pypi_odd_paths;
mod pypi_own_resolver_txt;
mod pypi_patches_neighbour;
mod pypi_plants_startup_hook;
mod pypi_preloads_dropped_library;
mod pypi_raw_socket;
mod pypi_reverse_shell_pty;
mod pypi_script_in_data;
mod pypi_sleeps_in_thread;

use crate::Specimen;

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        npm_beacon::specimen(),
        npm_beacon_by_dns::specimen(),
        npm_bin_only::specimen(),
        npm_bundled_hook::specimen(),
        npm_chunks_in_queries::specimen(),
        npm_copies_then_sends_later::specimen(),
        npm_cron_and_unit::specimen(),
        npm_curl_takes_files::specimen(),
        npm_detached_sleeper::specimen(),
        npm_encrypted_upload::specimen(),
        npm_environment_in_headers::specimen(),
        npm_erases_itself::specimen(),
        npm_evaluates_download::specimen(),
        npm_evil_dependency::specimen(),
        npm_exit_handler::specimen(),
        npm_forges_report::specimen(),
        npm_git_carries_token::specimen(),
        npm_git_hands_out_password::specimen(),
        npm_instructs_agents::specimen(),
        npm_late_timer::specimen(),
        npm_loader_runs_dropped::specimen(),
        npm_metadata_service::specimen(),
        npm_miner_login::specimen(),
        npm_node_runs_dropped::specimen(),
        npm_patches_neighbour::specimen(),
        npm_poisons_settings::specimen(),
        npm_printenv_piped::specimen(),
        npm_renames_then_runs::specimen(),
        npm_replaces_harness::specimen(),
        npm_requires_dropped::specimen(),
        npm_reverse_shell_pipes::specimen(),
        npm_tar_of_keys::specimen(),
        npm_websocket::specimen(),
        npm_worker_thread::specimen(),
        npm_worm::specimen(),
        pypi_backend_in_tree::specimen(),
        pypi_datagram::specimen(),
        pypi_dependency_backend::specimen(),
        pypi_evaluates_download::specimen(),
        pypi_executes_descriptor::specimen(),
        pypi_forges_report::specimen(),
        pypi_late_timer::specimen(),
        pypi_lazy_attribute::specimen(),
        pypi_loads_dropped_library::specimen(),
        pypi_module_run_only::specimen(),
        pypi_nameless_file_runs::specimen(),
        pypi_odd_paths::specimen(),
        pypi_own_resolver_txt::specimen(),
        pypi_patches_neighbour::specimen(),
        pypi_plants_startup_hook::specimen(),
        pypi_preloads_dropped_library::specimen(),
        pypi_raw_socket::specimen(),
        pypi_reverse_shell_pty::specimen(),
        pypi_script_in_data::specimen(),
        pypi_sleeps_in_thread::specimen(),
    ]
}
