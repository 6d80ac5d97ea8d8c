//! Behaviour rules. One file a rule: what it is called on top, how it looks for hits, a positive and a
//! negative specimen below. [`all`] is the registry.

mod broken_integrity;
mod canary_exfiltrated;
mod credential_read;
mod credential_read_then_send;
mod detached_process_sends;
mod dns_exfiltration;
mod downloaded_code_ran;
mod dropped_file_executed;
mod environment_dump_sent;
mod exec_from_memory;
mod foreign_package_modified;
mod foreign_runtime;
mod hit;
mod hook_downloads_and_executes;
mod host_fingerprint_burst;
mod host_identity_sent;
mod interpreter_startup_hook;
mod metadata_service;
mod mining_pool;
mod network_at_import;
mod persistence;
mod registry_publish;
mod reverse_shell;
mod sandbox_attack;
mod self_deleting_payload;
mod self_propagation;

use apa_model::Finding;
pub(crate) use apa_model::RuleInfo;

pub use downloaded_code_ran::STAGE_TWO_PATH;
pub(crate) use exec_from_memory::is_memory;
pub(crate) use hit::{Hit, list};
pub(crate) use sandbox_attack::SUSPECT_CALLS;

use crate::view::View;

/// A behaviour rule.
pub(crate) trait Rule: Sync {
    fn info(&self) -> &'static RuleInfo;

    /// Every occurrence, strongest first or not; nothing is grouped yet.
    fn hits(&self, view: &View<'_>) -> Vec<Hit>;

    /// One finding per owner.
    fn check(&self, view: &View<'_>) -> Vec<Finding> {
        hit::group(self.info(), view, self.hits(view))
    }
}

/// All rules, worst first, then by name.
pub(crate) fn all() -> &'static [&'static dyn Rule] {
    &[
        &canary_exfiltrated::CanaryExfiltrated,
        &environment_dump_sent::EnvironmentDumpSent,
        &dns_exfiltration::DnsExfiltration,
        &downloaded_code_ran::DownloadedCodeRan,
        &broken_integrity::BrokenIntegrity,
        &self_propagation::SelfPropagation,
        &credential_read_then_send::CredentialReadThenSend,
        &detached_process_sends::DetachedProcessSends,
        &dropped_file_executed::DroppedFileExecuted,
        &exec_from_memory::ExecFromMemory,
        &foreign_package_modified::ForeignPackageModified,
        &foreign_runtime::ForeignRuntime,
        &hook_downloads_and_executes::HookDownloadsAndExecutes,
        &host_identity_sent::HostIdentitySent,
        &interpreter_startup_hook::InterpreterStartupHook,
        &metadata_service::MetadataService,
        &mining_pool::MiningPool,
        &persistence::PersistenceRule,
        &registry_publish::RegistryPublish,
        &reverse_shell::ReverseShell,
        &sandbox_attack::SandboxAttack,
        &self_deleting_payload::SelfDeletingPayload,
        &credential_read::CredentialRead,
        &host_fingerprint_burst::HostFingerprintBurst,
        &network_at_import::NetworkAtImport,
    ]
}

/// Worst first; equal ones by rule, phase and words, so that the order never depends on chance.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (b.severity, b.confidence)
            .cmp(&(a.severity, a.confidence))
            .then_with(|| position(&a.rule).cmp(&position(&b.rule)))
            .then_with(|| (a.phase, &a.explanation).cmp(&(b.phase, &b.explanation)))
    });
}

fn position(id: &str) -> usize {
    all()
        .iter()
        .position(|rule| rule.info().id == id)
        .unwrap_or(usize::MAX)
}

/// The page about all rules, in Markdown.
pub fn rules_markdown() -> String {
    let mut out = String::from(
        "# Behaviour rules\n\n\
         Generated from the rules themselves (`rules_markdown()` of `apa-judge`); do not edit.\n\n\
         Severity and confidence are the highest a rule gives; a weaker occurrence gets less. How they \
         become a verdict stands in `crates/judge/src/verdict.rs`.\n",
    );
    for rule in all() {
        out.push_str(&rule.info().section());
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_its_own_id_and_says_what_it_is() {
        let ids: BTreeSet<_> = all().iter().map(|rule| rule.info().id).collect();
        assert_eq!(ids.len(), all().len());
        for rule in all() {
            let info = rule.info();
            assert!(
                !info.title.is_empty() && info.explanation.len() > 40,
                "{}",
                info.id
            );
            assert!(!info.attack.is_empty(), "{} names no technique", info.id);
        }
    }

    #[test]
    fn every_rule_file_is_registered() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !matches!(name.as_str(), "mod.rs" | "hit.rs"))
            .map(|name| name.trim_end_matches(".rs").replace('_', "-"))
            .collect::<BTreeSet<_>>();
        let ids = all()
            .iter()
            .map(|rule| rule.info().id.to_owned())
            .collect::<BTreeSet<_>>();
        assert_eq!(files, ids);
    }

    #[test]
    fn the_committed_page_agrees_with_the_rules() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, rules_markdown()).unwrap();
        } else {
            assert!(
                committed == rules_markdown(),
                "docs/rules.md is stale: run UPDATE_DOCS=1 cargo test -p apa-judge committed_page"
            );
        }
    }
}
