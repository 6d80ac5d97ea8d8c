//! Findings to score, label and sentence.
//!
//! # Score
//!
//! Each rule counts once, with its gravest finding (two artifacts of a version that do the same are one
//! reason, not two). Its weight is severity × confidence:
//!
//! | severity | weight | | confidence | factor |
//! |---|---|---|---|---|
//! | info | 0 | | low | 0.50 |
//! | low | 0.05 | | medium | 0.75 |
//! | medium | 0.40 | | high | 1.00 |
//! | high | 0.75 | | proven | 1.05 |
//! | critical | 0.93 | | | |
//!
//! Low findings together weigh their sum, at most 0.20: what many honest packages do convicts nobody. All
//! weights are combined as independent reasons, `score = 100 × (1 − Π (1 − weight))`, rounded down. So one sure high
//! finding scores 75, two likely high ones 80, proof 97; a further finding never lowers it.
//!
//! # Label
//!
//! * *malicious*: a critical finding, a high one with at least high confidence, or a score of 70 or more;
//! * *suspicious*: a medium or graver finding, or a score of 30 or more;
//! * *incomplete*: nothing of the kind, and not everything was seen;
//! * *clean*: else.

use std::collections::{BTreeMap, BTreeSet};

use apa_model::{
    Capability, Confidence, Finding, Incomplete, Phase, Severity, Verdict, VerdictLabel,
};

use crate::observation::Judgement;

const MALICIOUS_SCORE: u8 = 70;
const SUSPICIOUS_SCORE: u8 = 30;
const LOW_TOGETHER: f64 = 0.20;

/// Weighs all artifacts' findings. `incomplete` is carried whatever the label is; the label is never
/// [`VerdictLabel::Clean`] when there is any.
pub fn verdict(package: &str, judgements: &[Judgement], incomplete: &[Incomplete]) -> Verdict {
    let findings: Vec<&Finding> = judgements
        .iter()
        .flat_map(|judgement| &judgement.findings)
        .collect();
    let score = score(findings.iter().copied());
    let label = label(&findings, score, !incomplete.is_empty());
    let summary = match label {
        VerdictLabel::Clean => clean_summary(package, judgements),
        VerdictLabel::Incomplete => incomplete_summary(package, incomplete),
        VerdictLabel::Suspicious | VerdictLabel::Malicious => finding_summary(package, &findings),
    };
    Verdict {
        label,
        score,
        summary,
        incomplete: incomplete.to_vec(),
    }
}

fn label(findings: &[&Finding], score: u8, incomplete: bool) -> VerdictLabel {
    let worst = |finding: &&&Finding| {
        finding.severity == Severity::Critical
            || (finding.severity == Severity::High && finding.confidence >= Confidence::High)
    };
    if findings.iter().any(|finding| worst(&finding)) || score >= MALICIOUS_SCORE {
        VerdictLabel::Malicious
    } else if findings
        .iter()
        .any(|finding| finding.severity >= Severity::Medium)
        || score >= SUSPICIOUS_SCORE
    {
        VerdictLabel::Suspicious
    } else if incomplete {
        VerdictLabel::Incomplete
    } else {
        VerdictLabel::Clean
    }
}

/// 0 to 100, see the table above. Adding a finding never lowers it.
pub fn score<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> u8 {
    let mut by_rule: BTreeMap<&str, (f64, bool)> = BTreeMap::new();
    for finding in findings {
        let weight = weight(finding.severity, finding.confidence);
        let low = finding.severity <= Severity::Low;
        let entry = by_rule.entry(&finding.rule).or_insert((weight, low));
        entry.0 = entry.0.max(weight);
        entry.1 &= low;
    }
    let low: f64 = by_rule
        .values()
        .filter(|rule| rule.1)
        .map(|rule| rule.0)
        .sum();
    let doubt: f64 = by_rule
        .values()
        .filter(|rule| !rule.1)
        .map(|rule| 1.0 - rule.0)
        .chain([1.0 - low.min(LOW_TOGETHER)])
        .product();
    // Within 0..=100 by construction; a little is added so that 0.75 does not become 74.
    (100.0 * (1.0 - doubt) + 1e-9).floor().clamp(0.0, 100.0) as u8
}

fn weight(severity: Severity, confidence: Confidence) -> f64 {
    let severity = match severity {
        Severity::Info => 0.0,
        Severity::Low => 0.05,
        Severity::Medium => 0.40,
        Severity::High => 0.75,
        Severity::Critical => 0.93,
    };
    let confidence = match confidence {
        Confidence::Low => 0.50,
        Confidence::Medium => 0.75,
        Confidence::High => 1.00,
        Confidence::Proven => 1.05,
    };
    severity * confidence
}

/// The gravest finding's first sentence with the package as its subject.
fn finding_summary(package: &str, findings: &[&Finding]) -> String {
    // The first of the gravest: judgements list theirs worst first.
    let Some(gravest) = findings
        .iter()
        .rev()
        .max_by_key(|finding| (finding.severity, finding.confidence))
    else {
        return format!("{package} showed nothing harmful");
    };
    let explanation = gravest.explanation.to_string();
    let sentence = explanation.strip_suffix('.').unwrap_or(&explanation);
    let sentence = sentence
        .split_once(". Seen ")
        .map_or(sentence, |(first, _)| first);
    let rules: BTreeSet<&str> = findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    let more = match rules.len().saturating_sub(1) {
        0 => String::new(),
        1 => " (and 1 more finding)".to_owned(),
        more => format!(" (and {more} more findings)"),
    };
    format!("{package}{}{more}", predicate(sentence))
}

fn predicate(sentence: &str) -> String {
    let mut chars = sentence.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    let lower: String = first.into_iter().chain(chars).collect();
    match lower.strip_prefix("its dependency ") {
        Some(rest) => format!("'s dependency {rest}"),
        None => format!(" {lower}"),
    }
}

fn incomplete_summary(package: &str, incomplete: &[Incomplete]) -> String {
    let first = incomplete.first();
    let reason = first
        .map(|reason| reason.detail.to_string())
        .unwrap_or_default();
    let more = match incomplete.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("{package} showed nothing harmful, but not everything was seen: {reason}{more}")
}

/// What took place, and what was seen beyond the package's own folder.
fn clean_summary(package: &str, judgements: &[Judgement]) -> String {
    let phases: BTreeSet<Phase> = judgements
        .iter()
        .flat_map(|judgement| &judgement.facts)
        .filter(|fact| fact.action != "limit")
        .map(|fact| fact.phase)
        .collect();
    let did: Vec<&str> = [
        (Phase::Install, "installs"),
        (Phase::Import, "imports"),
        (Phase::Execute, "runs"),
    ]
    .iter()
    .filter(|(phase, _)| phases.contains(phase))
    .map(|(_, word)| *word)
    .collect();
    let did = if did.is_empty() {
        "was read".to_owned()
    } else {
        join(&did)
    };
    let capabilities: BTreeSet<Capability> = judgements
        .iter()
        .flat_map(|judgement| {
            judgement
                .capabilities
                .iter()
                .map(|record| record.capability)
        })
        .collect();
    let words: Vec<&str> = NOTABLE
        .iter()
        .filter(|(members, _)| members.iter().any(|member| capabilities.contains(member)))
        .map(|(_, words)| *words)
        .collect();
    if words.is_empty() && did == "was read" {
        format!("{package} was read, not run, and holds nothing that is known to be harmful")
    } else if words.is_empty() {
        format!("{package} {did} without touching anything outside its own folder")
    } else {
        format!("{package} {did} without doing harm; it {}", join(&words))
    }
}

/// What a clean package may have been seen doing, in words.
const NOTABLE: &[(&[Capability], &str)] = &[
    (
        &[Capability::ExecProgram, Capability::ExecShell],
        "starts programs",
    ),
    (
        &[
            Capability::NetworkConnect,
            Capability::NetworkSend,
            Capability::NetworkHttp,
        ],
        "uses the network",
    ),
    (&[Capability::NetworkListen], "waits for connections"),
    (&[Capability::FileWriteTemp], "writes temporary files"),
    (&[Capability::FileWriteProject], "writes into the project"),
    (
        &[Capability::FileWriteHome, Capability::FileWriteSystem],
        "writes outside the project",
    ),
    (
        &[Capability::FileReadHome],
        "reads files of the home folder",
    ),
    (
        &[Capability::FileReadSystem, Capability::SystemFingerprint],
        "reads facts about the machine",
    ),
    (&[Capability::FileDelete], "deletes files"),
];

fn join(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use apa_model::{Fact, IncompleteCode, Owner};
    use proptest::prelude::*;

    use super::*;

    fn finding(rule: &str, severity: Severity, confidence: Confidence) -> Finding {
        Finding {
            rule: rule.into(),
            title: rule.into(),
            severity,
            confidence,
            attack: Vec::new(),
            phase: Phase::Install,
            artifact: String::new(),
            explanation: "Sends it away. Seen 2 times in all.".into(),
            evidence: Vec::new(),
        }
    }

    fn judgement(findings: Vec<Finding>) -> Judgement {
        Judgement {
            facts: Vec::new(),
            capabilities: Vec::new(),
            findings,
            canaries: Vec::new(),
            files: Vec::new(),
        }
    }

    fn timeout() -> Incomplete {
        Incomplete {
            code: IncompleteCode::Timeout,
            phase: Some(Phase::Import),
            detail: "import ran out of time".into(),
        }
    }

    fn label_of(findings: Vec<Finding>) -> (VerdictLabel, u8) {
        let verdict = verdict("npm:x@1", &[judgement(findings)], &[]);
        (verdict.label, verdict.score)
    }

    #[test]
    fn labels_follow_the_table() {
        use Confidence as Sure;
        use Severity as Bad;
        use VerdictLabel as L;
        let one = |severity, confidence| label_of(vec![finding("a", severity, confidence)]);
        assert_eq!(label_of(vec![]), (L::Clean, 0));
        assert_eq!(one(Bad::Info, Sure::Proven), (L::Clean, 0));
        assert_eq!(one(Bad::Low, Sure::High), (L::Clean, 5));
        assert_eq!(one(Bad::Medium, Sure::Low), (L::Suspicious, 20));
        assert_eq!(one(Bad::Medium, Sure::High), (L::Suspicious, 40));
        assert_eq!(one(Bad::High, Sure::Medium), (L::Suspicious, 56));
        assert_eq!(one(Bad::High, Sure::High), (L::Malicious, 75));
        assert_eq!(one(Bad::Critical, Sure::Proven), (L::Malicious, 97));
    }

    #[test]
    fn two_likely_reasons_convict_together_and_the_same_one_twice_does_not() {
        let likely = |rule| finding(rule, Severity::High, Confidence::Medium);
        assert_eq!(
            label_of(vec![likely("a"), likely("b")]),
            (VerdictLabel::Malicious, 80)
        );
        assert_eq!(
            label_of(vec![likely("a"), likely("a")]),
            (VerdictLabel::Suspicious, 56)
        );
    }

    #[test]
    fn any_number_of_low_findings_convicts_nobody() {
        let many = (0..50)
            .map(|n| finding(&n.to_string(), Severity::Low, Confidence::Proven))
            .collect();
        assert_eq!(label_of(many), (VerdictLabel::Clean, 20));
    }

    #[test]
    fn incomplete_is_never_clean_and_never_hides_a_finding() {
        let reasons = [timeout()];
        let nothing = verdict("npm:x@1", &[judgement(vec![])], &reasons);
        assert_eq!(nothing.label, VerdictLabel::Incomplete);
        assert_eq!(
            nothing.summary,
            "npm:x@1 showed nothing harmful, but not everything was seen: import ran out of time"
        );
        let bad = finding("a", Severity::Critical, Confidence::Proven);
        let found = verdict("npm:x@1", &[judgement(vec![bad])], &reasons);
        assert_eq!(found.label, VerdictLabel::Malicious);
        assert_eq!(found.incomplete, reasons);
    }

    #[test]
    fn the_summary_is_the_gravest_finding_about_the_package() {
        let mild = finding("a", Severity::Medium, Confidence::High);
        let mut grave = finding("b", Severity::High, Confidence::High);
        grave.explanation = "Its dependency y sends it away.".into();
        let verdict = verdict("npm:x@1", &[judgement(vec![mild, grave])], &[]);
        assert_eq!(
            verdict.summary,
            "npm:x@1's dependency y sends it away (and 1 more finding)"
        );
    }

    #[test]
    fn a_clean_summary_says_what_took_place_and_what_was_seen() {
        let fact = |phase| Fact {
            phase,
            owner: Owner::Manager,
            action: "exec".into(),
            object: "x".into(),
            outcome: "ok".into(),
        };
        let mut quiet = judgement(vec![]);
        quiet.facts = vec![
            fact(Phase::Install),
            fact(Phase::Import),
            fact(Phase::Execute),
        ];
        assert_eq!(
            verdict("npm:x@1", &[quiet.clone()], &[]).summary,
            "npm:x@1 installs, imports and runs without touching anything outside its own folder"
        );
        quiet.capabilities = [Capability::ExecProgram, Capability::FileWriteTemp]
            .map(|capability| apa_model::report::CapabilityRecord {
                capability,
                phases: vec![Phase::Import],
                facts: 1,
            })
            .to_vec();
        assert_eq!(
            verdict("npm:x@1", &[quiet], &[]).summary,
            "npm:x@1 installs, imports and runs without doing harm; it starts programs and writes \
             temporary files"
        );
    }

    fn any_finding() -> impl Strategy<Value = Finding> {
        let severities = [
            Severity::Info,
            Severity::Low,
            Severity::Medium,
            Severity::High,
            Severity::Critical,
        ];
        let confidences = [
            Confidence::Low,
            Confidence::Medium,
            Confidence::High,
            Confidence::Proven,
        ];
        (0..6_u8, 0..5_usize, 0..4_usize).prop_map(move |(rule, severity, confidence)| {
            finding(
                &rule.to_string(),
                severities[severity],
                confidences[confidence],
            )
        })
    }

    proptest! {
        #[test]
        fn a_further_finding_never_lowers_the_score(
            findings in proptest::collection::vec(any_finding(), 0..12),
            further in any_finding(),
        ) {
            let before = label_of(findings.clone());
            let mut more = findings;
            more.push(further);
            let after = label_of(more);
            prop_assert!(after.1 >= before.1, "{before:?} {after:?}");
            prop_assert!(after.0 >= before.0, "{before:?} {after:?}");
        }
    }
}
