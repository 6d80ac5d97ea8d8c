//! From occurrences to findings.

use std::collections::{BTreeMap, BTreeSet};

use apa_model::{Confidence, Event, Evidence, Finding, Flow, Owner, Phase, Severity};

use super::RuleInfo;
use crate::view::View;

/// Pieces of evidence a finding keeps.
const MAX_EVIDENCE: usize = 10;

/// One occurrence of what a rule looks for.
pub(crate) struct Hit {
    pub(crate) owner: Owner,
    pub(crate) phase: Phase,
    pub(crate) severity: Severity,
    pub(crate) confidence: Confidence,
    /// What was done, as a sentence without its subject: `sends … to …`. Hostile parts are escaped already.
    pub(crate) clause: String,
    /// Strongest first.
    pub(crate) evidence: Vec<Evidence>,
}

impl Hit {
    /// A hit as grave as its rule can be.
    pub(crate) fn new(info: &RuleInfo, owner: &Owner, phase: Phase, clause: String) -> Self {
        Self {
            owner: owner.clone(),
            phase,
            severity: info.severity,
            confidence: info.confidence,
            clause,
            evidence: Vec::new(),
        }
    }

    pub(crate) fn graded(mut self, severity: Severity, confidence: Confidence) -> Self {
        self.severity = severity;
        self.confidence = confidence;
        self
    }

    pub(crate) fn event(mut self, view: &View<'_>, event: &Event, detail: String) -> Self {
        let by = view.by(Some(event.process), &event.owner);
        self.evidence.push(Evidence::Event {
            artifact: view.observation.artifact.sha256.clone(),
            seq: event.seq,
            detail: format!("{detail}{by}").into(),
        });
        self
    }

    pub(crate) fn flow(mut self, view: &View<'_>, flow: &Flow) -> Self {
        let said = flow.messages.first().map(|message| {
            let summary = message.summary.shortened(200);
            format!("{summary} ({} bytes of body)", message.body_bytes)
        });
        let said = said.unwrap_or_else(|| format!("{} bytes sent", flow.bytes_out));
        let by = flow
            .owner
            .as_ref()
            .map(|owner| view.by(flow.process, owner));
        let by = by.unwrap_or_default();
        self.evidence.push(Evidence::Flow {
            artifact: view.observation.artifact.sha256.clone(),
            flow: flow.id,
            detail: format!("{}: {said}{by}", view.peer(flow)).into(),
        });
        self
    }

    pub(crate) fn canary(mut self, id: &str, detail: String) -> Self {
        self.evidence.push(Evidence::Canary {
            canary: id.to_owned(),
            detail: detail.into(),
        });
        self
    }

    /// Adds bytes that were kept.
    pub(crate) fn blob(mut self, sha256: &str, detail: String) -> Self {
        self.evidence.push(Evidence::Blob {
            sha256: sha256.to_owned(),
            detail: detail.into(),
        });
        self
    }

    /// Adds the bytes kept of a file, if they were.
    pub(crate) fn kept_file(mut self, view: &View<'_>, path: &str) -> Self {
        let kept = view
            .observation
            .dropped
            .iter()
            .find(|dropped| dropped.path.as_bytes() == path.as_bytes());
        if let Some(kept) = kept
            && let Some(sha256) = &kept.sha256
        {
            self.evidence.push(Evidence::Blob {
                sha256: sha256.clone(),
                detail: format!("{} ({} bytes)", view.short(path), kept.size).into(),
            });
        }
        self
    }
}

/// One finding per owner: the gravest hit gives the words, all give evidence.
pub(crate) fn group(info: &RuleInfo, view: &View<'_>, hits: Vec<Hit>) -> Vec<Finding> {
    let mut by_owner: BTreeMap<Owner, Vec<Hit>> = BTreeMap::new();
    for hit in hits {
        by_owner.entry(hit.owner.clone()).or_default().push(hit);
    }
    by_owner
        .into_iter()
        .filter_map(|(owner, hits)| finding(info, view, &owner, hits))
        .collect()
}

fn finding(info: &RuleInfo, view: &View<'_>, owner: &Owner, mut hits: Vec<Hit>) -> Option<Finding> {
    // Stable: among equals the first that was seen stays first.
    hits.sort_by_key(|hit| std::cmp::Reverse((hit.severity, hit.confidence)));
    let count = hits.len();
    let first = hits.first()?;
    let mut explanation = sentence(owner, &first.clause);
    if count > 1 {
        explanation.push_str(&format!(" Seen {count} times in all."));
    }
    let mut finding = Finding {
        rule: info.id.to_owned(),
        title: info.title.to_owned(),
        severity: first.severity,
        confidence: first.confidence,
        attack: info.attack.iter().map(|id| (*id).to_owned()).collect(),
        phase: first.phase,
        artifact: view.observation.artifact.sha256.clone(),
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

fn sentence(owner: &Owner, clause: &str) -> String {
    let clause = clause.trim_end_matches('.');
    match owner {
        Owner::Dependency(name) => format!("Its dependency {name} {clause}."),
        Owner::Manager => format!("Code in the package manager's process {clause}."),
        Owner::Package | Owner::Harness => {
            let mut chars = clause.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase());
            format!(
                "{}{}.",
                first.map(String::from).unwrap_or_default(),
                chars.as_str()
            )
        }
    }
}

/// `a, b and 3 more`; every item once, in the order given.
pub(crate) fn list(items: impl IntoIterator<Item = String>, most: usize) -> String {
    let mut distinct: Vec<String> = Vec::new();
    let mut rest: BTreeSet<String> = BTreeSet::new();
    for item in items {
        if distinct.contains(&item) {
            continue;
        }
        if distinct.len() < most {
            distinct.push(item);
        } else {
            rest.insert(item);
        }
    }
    if !rest.is_empty() {
        return format!("{} and {} more", distinct.join(", "), rest.len());
    }
    match distinct.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    #[test]
    fn a_list_names_each_item_once_and_counts_the_rest() {
        let items = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(list(items("a"), 3), "a");
        assert_eq!(list(items("aab"), 3), "a and b");
        assert_eq!(list(items("abcdeed"), 3), "a, b, c and 2 more");
        assert_eq!(list(items(""), 3), "");
    }

    #[test]
    fn repeated_hits_are_one_finding_per_owner_with_bounded_evidence() {
        let mut scene = Scene::npm("left-pad");
        for _ in 0..12 {
            let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
            scene.at(hook).read("/home/kim/.ssh/id_rsa");
        }
        let other = scene.dependency("right-pad", "/usr/bin/node", &["node"]);
        let variables = [
            ("npm_package_name", "right-pad"),
            ("npm_package_version", "2.1.0"),
        ];
        scene.variables(other, &variables);
        scene.hook(other, "postinstall");
        scene.at(other).read("/home/kim/.ssh/id_rsa");
        let findings = scene.findings("credential-read");
        let [dependency, package] = &findings[..] else {
            panic!("one finding per owner: {findings:#?}");
        };
        assert_eq!(package.evidence.len(), MAX_EVIDENCE);
        assert!(
            package
                .explanation
                .to_string()
                .ends_with("Seen 12 times in all.")
        );
        assert!(
            dependency
                .explanation
                .to_string()
                .starts_with("Its dependency right-pad opens ")
        );
        let Evidence::Event { detail, .. } = &dependency.evidence[0] else {
            panic!("an event: {:?}", dependency.evidence);
        };
        let detail = detail.to_string();
        let by = " by the postinstall hook of dependency right-pad 2.1.0";
        assert!(detail.ends_with(by), "{detail}");
    }
}
