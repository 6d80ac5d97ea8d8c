//! The report, put together from what each artifact's detonation showed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use apa_inspect::Inspection;
use apa_judge::{Baseline, Judgement};
use apa_model::report::{
    CapabilityRecord, Counts, FlowRecord, PackageInfo, PhaseRecord, ProcessRecord, Report,
    RuntimeCode, SCHEMA_VERSION, SandboxInfo, SyscallCount,
};
use apa_model::{
    Anomaly, Artifact, Capability, Event, ExitCode, Fact, Finding, Flow, Incomplete, Phase,
    Process, Severity, Verdict, VerdictLabel,
};

use crate::detonate::Detonation;
use crate::prepare::ReleaseInfo;

/// Facts listed in a report; all of them are kept with the events.
const MAX_FACTS: usize = 20_000;

/// One artifact's detonation, judged.
pub(crate) struct Judged {
    artifact: Artifact,
    judgement: Judgement,
    phases: Vec<PhaseRecord>,
    processes: Vec<Process>,
    flows: Vec<Flow>,
    dropped: Vec<apa_model::report::Dropped>,
    anomalies: Vec<Anomaly>,
    incomplete: Vec<Incomplete>,
    syscalls: Vec<SyscallCount>,
    code: Vec<RuntimeCode>,
    counts: Counts,
    sandbox: SandboxInfo,
    pub(crate) events: Vec<Event>,
    /// The recorded traffic, in the pcapng format.
    pub(crate) traffic: Vec<u8>,
}

impl Judged {
    pub(crate) fn new(detonation: Detonation, baseline: &Baseline, inspection: Inspection) -> Self {
        let Detonation {
            observation,
            syscalls,
            lost,
            counted_only,
            sandbox,
            code,
            traffic,
        } = detonation;
        let mut judgement = apa_judge::judge(&observation, baseline);
        judgement.add(inspection.findings.into_iter().map(subdued).collect());
        let recorded: u64 = syscalls.iter().map(|count| count.count).sum();
        Self {
            traffic,
            judgement,
            counts: Counts {
                events: observation.events.len() as u64,
                lost,
                processes: observation.processes.len() as u64,
                flows: observation.flows.len() as u64,
                syscalls: recorded.max(observation.events.len() as u64 + counted_only),
            },
            artifact: observation.artifact,
            phases: observation.phases,
            processes: observation.processes,
            flows: observation.flows,
            dropped: observation.dropped,
            anomalies: with_unread(observation.anomalies, &inspection.incomplete),
            incomplete: observation.incomplete,
            events: observation.events,
            syscalls,
            code,
            sandbox,
        }
    }
}

/// Code that was not read was still run and watched: that is odd, and no reason to call the run incomplete.
fn with_unread(mut anomalies: Vec<Anomaly>, unread: &[Incomplete]) -> Vec<Anomaly> {
    anomalies.extend(unread.iter().map(|reason| Anomaly {
        kind: "code-not-read".into(),
        path: apa_model::Hostile::default(),
        detail: reason.detail.clone(),
    }));
    anomalies
}

/// What a report is made from.
/// A middling suspicion drawn from reading only informs where the package was run as well: had it done what the code
/// can do, a rule about behaviour would tell. What convicts by itself stands.
fn subdued(finding: Finding) -> Finding {
    Finding {
        severity: match finding.severity {
            Severity::Medium => Severity::Low,
            other => other,
        },
        ..finding
    }
}

pub(crate) struct Parts<'a> {
    pub(crate) id: &'a str,
    pub(crate) started_at: jiff::Timestamp,
    pub(crate) wall: Duration,
    pub(crate) release: ReleaseInfo,
    pub(crate) judged: Vec<Judged>,
    pub(crate) fail_on: VerdictLabel,
    pub(crate) as_of: Option<String>,
}

pub(crate) fn report(parts: Parts<'_>) -> Report {
    let Parts {
        id,
        started_at,
        wall,
        release,
        judged,
        fail_on,
        as_of,
    } = parts;
    let left_out = release.left_out;
    let incomplete: BTreeSet<Incomplete> = judged
        .iter()
        .flat_map(|one| one.incomplete.iter().cloned())
        .collect();
    let incomplete: Vec<Incomplete> = incomplete.into_iter().collect();
    let judgements: Vec<Judgement> = judged.iter().map(|one| one.judgement.clone()).collect();
    let shown = release.version.as_ref().map_or_else(
        || format!("{}:{}", release.ecosystem, release.name),
        |version| format!("{}:{}@{version}", release.ecosystem, release.name),
    );
    let verdict = apa_judge::verdict(&shown, &judgements, &incomplete);
    let facts: BTreeSet<Fact> = judgements
        .iter()
        .flat_map(|one| one.facts.iter().cloned())
        .collect();
    Report {
        schema_version: SCHEMA_VERSION.into(),
        analysis: id.to_owned(),
        started_at: started_at.to_string(),
        wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        exit_code: exit_code(&verdict, fail_on).into(),
        complete: verdict.incomplete.is_empty(),
        package: PackageInfo {
            purl: release.purl,
            ecosystem: release.ecosystem,
            name: release.name,
            version: release.version,
            published_at: release.published_at,
            previous_version: release.previous_version,
        },
        artifact: judged.first().map(|one| one.artifact.clone()),
        artifacts: judged.iter().map(|one| one.artifact.clone()).collect(),
        findings: findings(&judgements),
        capabilities: capabilities(&judgements),
        facts: facts.into_iter().take(MAX_FACTS).collect(),
        counts: judged
            .iter()
            .fold(Counts::default(), |sum, one| add(sum, one.counts)),
        files: judgements
            .iter()
            .flat_map(|one| one.files.iter().cloned())
            .collect(),
        canaries: judgements
            .iter()
            .flat_map(|one| one.canaries.iter().cloned())
            .collect(),
        sandbox: sandbox(&judged, left_out),
        as_of,
        phases: judged
            .iter()
            .flat_map(|one| one.phases.iter().cloned())
            .collect(),
        processes: each(
            &judged,
            |one| &one.processes,
            |artifact, process| ProcessRecord { artifact, process },
        ),
        flows: each(
            &judged,
            |one| &one.flows,
            |artifact, flow| FlowRecord { artifact, flow },
        ),
        dropped: judged
            .iter()
            .flat_map(|one| one.dropped.iter().cloned())
            .collect(),
        runtime_code: judged
            .iter()
            .flat_map(|one| one.code.iter().cloned())
            .collect(),
        anomalies: judged
            .iter()
            .flat_map(|one| one.anomalies.iter().cloned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        syscalls: judged
            .iter()
            .flat_map(|one| one.syscalls.iter().cloned())
            .collect(),
        verdict,
    }
}

/// What the process ends with for a verdict.
pub(crate) fn exit_code(verdict: &Verdict, fail_on: VerdictLabel) -> ExitCode {
    let found = matches!(
        verdict.label,
        VerdictLabel::Suspicious | VerdictLabel::Malicious
    );
    if found && verdict.label >= fail_on {
        ExitCode::Findings
    } else if verdict.incomplete.is_empty() {
        ExitCode::Clean
    } else {
        ExitCode::Incomplete
    }
}

/// Worst first; the same order whatever order artifacts and rules came in.
fn findings(judgements: &[Judgement]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = judgements
        .iter()
        .flat_map(|one| one.findings.iter().cloned())
        .collect();
    findings.sort_by(|a, b| {
        (b.severity, b.confidence)
            .cmp(&(a.severity, a.confidence))
            .then_with(|| {
                (&a.rule, a.phase, &a.artifact, &a.explanation).cmp(&(
                    &b.rule,
                    b.phase,
                    &b.artifact,
                    &b.explanation,
                ))
            })
    });
    findings
}

fn capabilities(judgements: &[Judgement]) -> Vec<CapabilityRecord> {
    let mut merged: BTreeMap<Capability, (BTreeSet<Phase>, u32)> = BTreeMap::new();
    for record in judgements.iter().flat_map(|one| &one.capabilities) {
        let (phases, facts) = merged.entry(record.capability).or_default();
        phases.extend(record.phases.iter().copied());
        *facts += record.facts;
    }
    merged
        .into_iter()
        .map(|(capability, (phases, facts))| CapabilityRecord {
            capability,
            phases: phases.into_iter().collect(),
            facts,
        })
        .collect()
}

fn add(a: Counts, b: Counts) -> Counts {
    Counts {
        events: a.events + b.events,
        lost: a.lost + b.lost,
        processes: a.processes + b.processes,
        flows: a.flows + b.flows,
        syscalls: a.syscalls + b.syscalls,
    }
}

fn each<T: Clone, R>(
    judged: &[Judged],
    list: impl Fn(&Judged) -> &Vec<T>,
    make: impl Fn(String, T) -> R,
) -> Vec<R> {
    judged
        .iter()
        .flat_map(|one| {
            list(one)
                .iter()
                .map(|item| make(one.artifact.sha256.clone(), item.clone()))
        })
        .collect()
}

fn sandbox(judged: &[Judged], left_out: Option<String>) -> Option<SandboxInfo> {
    let mut all = judged.iter().map(|one| one.sandbox.clone());
    let mut first = all.next()?;
    first.not_observed.extend(left_out);
    Some(all.fold(first, |mut sum, one| {
        sum.ready_ms.extend(one.ready_ms);
        sum.teardown_ms.extend(one.teardown_ms);
        sum.incomplete.extend(one.incomplete);
        for line in one.not_observed {
            if !sum.not_observed.contains(&line) {
                sum.not_observed.push(line);
            }
        }
        sum
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use apa_model::IncompleteCode;

    fn verdict(label: VerdictLabel, incomplete: bool) -> Verdict {
        let reason = Incomplete {
            code: IncompleteCode::Timeout,
            phase: None,
            detail: "x".into(),
        };
        Verdict {
            label,
            score: 0,
            summary: String::new(),
            incomplete: if incomplete { vec![reason] } else { vec![] },
        }
    }

    #[test]
    fn incomplete_is_never_exit_code_zero() {
        use VerdictLabel::{Clean, Incomplete, Malicious, Suspicious};
        for (label, incomplete, fail_on, code) in [
            (Clean, false, Suspicious, ExitCode::Clean),
            (Incomplete, true, Suspicious, ExitCode::Incomplete),
            (Suspicious, false, Suspicious, ExitCode::Findings),
            (Suspicious, false, Malicious, ExitCode::Clean),
            (Suspicious, true, Malicious, ExitCode::Incomplete),
            (Malicious, true, Suspicious, ExitCode::Findings),
            (Malicious, false, Malicious, ExitCode::Findings),
        ] {
            assert_eq!(
                exit_code(&verdict(label, incomplete), fail_on),
                code,
                "{label:?} {incomplete} {fail_on:?}"
            );
        }
    }
}
