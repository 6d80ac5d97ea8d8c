//! Rules about code that was read, not run. One file a rule: what it is called on top, how it looks for hits,
//! a positive and a negative specimen below. A call alone is never a finding; what flows into it, or when it
//! runs, makes it one.

mod browser_function_replaced;
mod code_destroys_files;
mod code_hidden_from_view;
mod code_mines;
mod code_opens_shell;
mod code_persists;
mod code_publishes;
mod code_reads_secrets;
mod code_runs_decoded;
mod code_runs_download;
mod code_runs_hidden_program;
mod code_sends_environment;
mod code_sends_host_identity;
mod code_sends_keys;
mod code_sends_secrets;
mod code_spies;
mod code_uses_drop_host;
mod commands_ai_tools;
mod contacts_network_by_itself;
mod installs_from_elsewhere;
mod path_file_runs_code;
mod source_is_obfuscated;

use std::collections::BTreeSet;
use std::fmt::Write as _;

pub(crate) use apa_model::RuleInfo;
use apa_model::{Confidence, Digest, Evidence, Finding, Phase, Severity};

use crate::act::{Act, ActKind};
use crate::flow::{HOLE, Source};
use crate::package::Package;

/// Pieces of evidence a finding keeps.
const MAX_EVIDENCE: usize = 10;

/// A rule.
pub(crate) trait Rule: Sync {
    fn info(&self) -> &'static RuleInfo;

    /// Every occurrence.
    fn hits(&self, package: &Package) -> Vec<Hit>;
}

/// One occurrence of what a rule looks for.
pub(crate) struct Hit {
    severity: Severity,
    confidence: Confidence,
    /// A sentence without its subject: `sends … to …`. Texts of the package in it are [`shown`].
    clause: String,
    evidence: Vec<Evidence>,
}

impl Hit {
    pub(crate) fn new(severity: Severity, confidence: Confidence, clause: String) -> Self {
        Self {
            severity,
            confidence,
            clause,
            evidence: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

/// All rules, gravest first.
pub(crate) fn all() -> &'static [&'static dyn Rule] {
    &[
        &code_sends_secrets::CodeSendsSecrets,
        &code_sends_environment::CodeSendsEnvironment,
        &code_runs_download::CodeRunsDownload,
        &code_opens_shell::CodeOpensShell,
        &code_runs_decoded::CodeRunsDecoded,
        &code_publishes::CodePublishes,
        &code_destroys_files::CodeDestroysFiles,
        &code_mines::CodeMines,
        &commands_ai_tools::CommandsAiTools,
        &code_spies::CodeSpies,
        &code_runs_hidden_program::CodeRunsHiddenProgram,
        &code_sends_host_identity::CodeSendsHostIdentity,
        &code_persists::CodePersists,
        &code_uses_drop_host::CodeUsesDropHost,
        &code_hidden_from_view::CodeHiddenFromView,
        &path_file_runs_code::PathFileRunsCode,
        &browser_function_replaced::BrowserFunctionReplaced,
        &code_sends_keys::CodeSendsKeys,
        &code_reads_secrets::CodeReadsSecrets,
        &installs_from_elsewhere::InstallsFromElsewhere,
        &contacts_network_by_itself::ContactsNetworkByItself,
        &source_is_obfuscated::SourceIsObfuscated,
    ]
}

/// What all rules find, gravest first; one finding a rule.
pub(crate) fn check(package: &Package, artifact: &Digest) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all()
        .iter()
        .filter_map(|rule| finding(rule.info(), rule.hits(package), artifact))
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse((finding.severity, finding.confidence)));
    findings
}

fn finding(info: &RuleInfo, mut hits: Vec<Hit>, artifact: &Digest) -> Option<Finding> {
    // Stable: among equals the first stays first.
    hits.sort_by_key(|hit| std::cmp::Reverse((hit.severity, hit.confidence)));
    let count = hits.len();
    let first = hits.first()?;
    let mut chars = first.clause.chars();
    let start = chars.next().map(|c| c.to_ascii_uppercase());
    let mut explanation: String = start.into_iter().chain(chars).collect();
    explanation.push('.');
    if count > 1 {
        let _ = write!(explanation, " Seen {count} times in all.");
    }
    let mut finding = Finding {
        rule: info.id.to_owned(),
        title: info.title.to_owned(),
        severity: first.severity,
        confidence: first.confidence,
        attack: info.attack.iter().map(|id| (*id).to_owned()).collect(),
        phase: Phase::Static,
        artifact: artifact.clone(),
        explanation: explanation.into(),
        evidence: Vec::new(),
    };
    for evidence in hits.into_iter().flat_map(|hit| hit.evidence) {
        if finding.evidence.len() < MAX_EVIDENCE && !finding.evidence.contains(&evidence) {
            finding.evidence.push(evidence);
        }
    }
    Some(finding)
}

/// A text of the package, short, with unknown parts as an ellipsis, safe to be put into a sentence.
pub(crate) fn shown(text: &str) -> String {
    let text = text.replace(char::from(HOLE), "…");
    apa_model::Hostile::from(text.trim().chars().take(90).collect::<String>()).to_string()
}

/// Where an act sends to, in words.
pub(crate) fn peer(act: &Act) -> String {
    match act
        .text
        .trim_matches(|c: char| c == char::from(HOLE) || c == ' ')
    {
        "" => "somewhere".to_owned(),
        text => shown(text),
    }
}

/// What flows into an act from these sources, in words.
pub(crate) fn carried(act: &Act, sources: &[Source]) -> String {
    let words: BTreeSet<String> = act
        .taints
        .iter()
        .filter(|taint| sources.contains(&taint.source))
        .map(|taint| shown(&taint.detail))
        .collect();
    let most: Vec<String> = words.iter().take(4).cloned().collect();
    match words.len().saturating_sub(4) {
        0 => most.join(", "),
        more => format!("{} and {more} more", most.join(", ")),
    }
}

/// The act itself and where what flows into it comes from.
pub(crate) fn proof(
    package: &Package,
    act: &Act,
    words: &str,
    sources: &[Source],
) -> Vec<Evidence> {
    let mut out = vec![package.evidence(act, words)];
    let origins = act
        .taints
        .iter()
        .filter(|taint| sources.contains(&taint.source));
    out.extend(origins.filter_map(|taint| package.origin(taint)).take(4));
    out
}

/// Acts by which bytes leave.
pub(crate) fn leaves(act: &Act) -> bool {
    matches!(act.kind, ActKind::Net | ActKind::Resolve)
}

/// Whether a text names a host, rather than an address that somebody else fills in.
pub(crate) fn has_host(text: &str) -> bool {
    text.split(['/', ' ', char::from(HOLE), '@', '?'])
        .any(|part| {
            let part = part.split(':').next().unwrap_or(part);
            let ending = part.rsplit_once('.').map_or("", |(_, ending)| ending);
            let name = part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
            name && (ending.len() >= 2 && !matches!(ending, "js" | "py" | "json" | "sh" | "html")
                || part.split('.').count() == 4)
        })
}

/// Whether what runs is so large that values of one name are taken for those of another: a bundle.
pub(crate) fn is_bundle(package: &Package, act: &Act) -> bool {
    let path = package.place(act.file, act.line).0;
    let file = package.files.iter().find(|file| file.path == path);
    file.is_some_and(|file| {
        let lines = file.bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        file.bytes.len() > BUNDLE || file.bytes.len() > 8192 && file.bytes.len() / lines > 400
    })
}

/// A file from this size on, bytes, is put together by a tool rather than written.
const BUNDLE: usize = 256 << 10;

/// Whether an address belongs to the package by its own account.
pub(crate) fn is_own(package: &Package, act: &Act) -> bool {
    package
        .own_hosts()
        .iter()
        .any(|host| act.text.contains(host.as_str()))
}

/// Whether an address is of this machine, or of the service that every cloud machine asks about itself.
pub(crate) fn is_local(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "localhost",
        "127.0.0.1",
        "0.0.0.0",
        "[::1]",
        "host.docker.internal",
        "/var/run/",
        "unix:",
        "169.254.169.254",
        "169.254.170.2",
        "metadata.google.internal",
    ]
    .iter()
    .any(|local| text.contains(local))
}

/// The page about all rules, in Markdown.
pub(crate) fn markdown() -> String {
    let mut out = String::from(
        "# Static rules\n\n\
         Generated from the rules themselves (`rules_markdown()` of `apa-inspect`); do not edit.\n\n\
         They look at code without running it: which values flow where, and when that happens. Severity and \
         confidence are the highest a rule gives; a weaker occurrence gets less. How they become a verdict \
         stands in `crates/judge/src/verdict.rs`.\n",
    );
    for rule in all() {
        out.push_str(&rule.info().section());
    }
    out
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::package::SourceFile;

    /// What the rule of this id finds in a package of these files.
    pub(crate) fn findings(rule: &str, files: &[(&str, &str)]) -> Vec<Finding> {
        let files = files.iter().map(|(path, text)| SourceFile {
            path: (*path).to_owned(),
            bytes: text.as_bytes().into(),
        });
        let package = Package::read(files.collect());
        let mut findings = check(&package, &Digest::default());
        findings.retain(|finding| finding.rule == rule);
        findings
    }

    /// The one finding of this rule.
    pub(crate) fn found(rule: &str, files: &[(&str, &str)]) -> Finding {
        let mut findings = findings(rule, files);
        assert_eq!(findings.len(), 1, "{rule} in {files:#?}: {findings:#?}");
        findings.remove(0)
    }

    /// Line of the first evidence.
    pub(crate) fn line(finding: &Finding) -> (String, u32) {
        match &finding.evidence[0] {
            Evidence::File { path, line, .. } => (path.to_string(), line.unwrap()),
            other => panic!("no place in a file: {other:?}"),
        }
    }

    pub(crate) fn quiet(rule: &str, files: &[(&str, &str)]) {
        let findings = findings(rule, files);
        assert!(findings.is_empty(), "{rule}: {findings:#?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_file_is_registered_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "mod.rs")
            .map(|name| name.trim_end_matches(".rs").replace('_', "-"))
            .collect::<BTreeSet<_>>();
        let ids: BTreeSet<String> = all().iter().map(|rule| rule.info().id.to_owned()).collect();
        assert_eq!(files, ids);
        assert_eq!(ids.len(), all().len());
        for rule in all() {
            assert!(rule.info().explanation.len() > 40 && !rule.info().attack.is_empty());
        }
    }

    #[test]
    fn the_committed_page_agrees_with_the_rules() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/static-rules.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == markdown(),
            "docs/static-rules.md is stale: run UPDATE_DOCS=1 cargo test -p apa-inspect committed_page"
        );
    }
}
