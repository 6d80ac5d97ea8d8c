use apa_model::{
    Evidence, Finding, Severity, VerdictLabel,
    report::{EntryRecord, PhaseRecord, PhaseStatus},
};

use super::screen::{Paint, Screen, Span, dim, plain};
use crate::{text, view::View};

const FINDINGS: usize = 5;
const EVIDENCE: usize = 3;
const REASONS: usize = 8;
const PHASES: usize = 24;
const ENTRIES: usize = 3;

pub(super) fn verdict(screen: &mut Screen, view: &View) {
    let report = view.report;
    let verdict = &report.verdict;
    let paint = match verdict.label {
        VerdictLabel::Clean => Paint::Good,
        VerdictLabel::Incomplete | VerdictLabel::Suspicious => Paint::Warn,
        VerdictLabel::Malicious => Paint::Alarm,
    };
    let label = verdict.label.to_string().to_uppercase();
    screen.line(
        0,
        &[
            Span::new(format!(" {label} {}/100 ", verdict.score), paint),
            plain("  "),
            Span::new(&report.package.purl, Paint::Bold),
        ],
    );
    screen.paragraph(1, &plain(&verdict.summary), 4);
}

pub(super) fn why(screen: &mut Screen, view: &View) {
    let findings = &view.report.findings;
    if findings.is_empty() {
        return;
    }
    let counts: Vec<String> = view
        .severities()
        .iter()
        .map(|(severity, count)| {
            format!("{} {}", text::number(*count as u64), text::name(severity))
        })
        .collect();
    screen.heading("Why", counts.join(", "));
    for finding in findings.iter().take(FINDINGS) {
        self::finding(screen, view, finding);
    }
    screen.more(2, findings.len().saturating_sub(FINDINGS));
}

fn finding(screen: &mut Screen, view: &View, finding: &Finding) {
    let paint = match finding.severity {
        Severity::Critical | Severity::High => Paint::Bad,
        Severity::Medium => Paint::Warn,
        Severity::Low | Severity::Info => Paint::Dim,
    };
    let severity = text::name(&finding.severity);
    screen.line(
        2,
        &[
            Span::new(format!("● {severity:<8} "), paint),
            Span::new(&finding.title, Paint::Bold),
        ],
    );
    let mut facts = vec![
        finding.phase.to_string(),
        format!("confidence {}", text::name(&finding.confidence)),
    ];
    facts.extend(view.label(&finding.artifact).map(str::to_owned));
    facts.extend(finding.attack.iter().take(4).cloned());
    facts.push(finding.rule.clone());
    screen.line(4, &[dim(facts.join(" · "))]);
    screen.paragraph(4, &plain(text::shown(&finding.explanation, 600)), 3);
    for evidence in finding.evidence.iter().take(EVIDENCE) {
        screen.paragraph(4, &plain(format!("– {}", evidence_line(evidence))), 2);
    }
    let hidden = finding.evidence.len().saturating_sub(EVIDENCE);
    screen.more(4, hidden);
}

fn evidence_line(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Event { seq, detail, .. } => {
            format!("event {seq}: {}", text::shown(detail, 300))
        }
        Evidence::Flow { flow, detail, .. } => format!("flow {flow}: {}", text::shown(detail, 300)),
        Evidence::Blob { sha256, detail } => {
            format!(
                "file {}: {}",
                text::digest(sha256),
                text::shown(detail, 300)
            )
        }
        Evidence::Canary { canary, detail } => {
            format!("bait {canary}: {}", text::shown(detail, 300))
        }
        Evidence::File { path, line, detail } => {
            let line = line.map_or_else(String::new, |line| format!(":{line}"));
            format!(
                "{}{line}: {}",
                text::shown(path, 200),
                text::shown(detail, 300)
            )
        }
    }
}

pub(super) fn incomplete(screen: &mut Screen, view: &View) {
    let reasons = &view.report.verdict.incomplete;
    if reasons.is_empty() {
        if !view.report.complete {
            screen.heading("Not everything was seen", "");
            screen.line(2, &[plain("the report does not say why")]);
        }
        return;
    }
    let many = text::count(reasons.len(), "reason", "reasons");
    screen.heading("Not everything was seen", many);
    for reason in reasons.iter().take(REASONS) {
        let place = reason
            .phase
            .map_or_else(String::new, |phase| format!(" in {phase}"));
        let code = format!("{}{place}: ", text::name(&reason.code));
        let detail = text::shown(&reason.detail, 400);
        screen.line(2, &[Span::new(code, Paint::Warn), plain(detail)]);
    }
    screen.more(2, reasons.len().saturating_sub(REASONS));
}

pub(super) fn phases(screen: &mut Screen, view: &View) {
    let report = view.report;
    let counts = &report.counts;
    let lost = match counts.lost {
        0 => "none lost".to_owned(),
        lost => format!("{} LOST", text::number(lost)),
    };
    screen.heading(
        "How it ran",
        format!(
            "{} in all, {} events, {lost}",
            text::millis(report.wall_ms),
            text::number(counts.events)
        ),
    );
    if report.phases.is_empty() {
        screen.line(2, &[plain("no phase took place")]);
    }
    let shown = &report.phases[..report.phases.len().min(PHASES)];
    for run in shown.chunk_by(|a, b| a.artifact == b.artifact) {
        if let Some(label) = view.label(&run[0].artifact) {
            screen.line(2, &[Span::new(label, Paint::Name)]);
        }
        for group in run.chunk_by(share_a_line) {
            if group[0].status == PhaseStatus::Skipped {
                let names: Vec<String> = group.iter().map(|phase| phase.name.to_string()).collect();
                screen.line(
                    2,
                    &[dim("– "), plain(names.join(" · ")), plain("  SKIPPED")],
                );
            } else if is_plain(&group[0]) {
                plain_phases(screen, group);
            } else {
                phase(screen, &group[0]);
            }
        }
    }
    screen.more(2, report.phases.len() - shown.len());
}

fn share_a_line(a: &PhaseRecord, b: &PhaseRecord) -> bool {
    let skipped = |phase: &PhaseRecord| phase.status == PhaseStatus::Skipped;
    (is_plain(a) && is_plain(b)) || (skipped(a) && skipped(b))
}

/// It went through and there is nothing to add.
fn is_plain(phase: &PhaseRecord) -> bool {
    phase.status == PhaseStatus::Completed
        && phase.limits_hit.is_empty()
        && failed(phase).next().is_none()
}

fn failed(phase: &PhaseRecord) -> impl Iterator<Item = &EntryRecord> {
    phase.entries.iter().filter(|entry| entry.status != "done")
}

fn plain_phases(screen: &mut Screen, phases: &[PhaseRecord]) {
    let times: Vec<String> = phases
        .iter()
        .map(|phase| format!("{} {}", phase.name, text::millis(phase.wall_ms)))
        .collect();
    screen.paragraph(2, &plain(format!("✓ {}", times.join(" · "))), 3);
}

fn phase(screen: &mut Screen, phase: &PhaseRecord) {
    let (mark, paint) = match phase.status {
        PhaseStatus::Completed => ("✓", Paint::Good),
        PhaseStatus::Failed => ("✗", Paint::Bad),
        PhaseStatus::TimedOut | PhaseStatus::LimitHit => ("✗", Paint::Warn),
        PhaseStatus::Skipped => ("–", Paint::Dim),
    };
    let mut notes = Vec::new();
    if phase.status != PhaseStatus::Completed {
        notes.push(text::words(&phase.status).to_uppercase());
    }
    let failures = failed(phase).count();
    if failures > 0 {
        notes.push(format!(
            "{failures} of {} did not succeed",
            text::count(phase.entries.len(), "entry", "entries")
        ));
    }
    if !phase.limits_hit.is_empty() {
        let limits: Vec<&str> = phase
            .limits_hit
            .iter()
            .take(6)
            .map(String::as_str)
            .collect();
        notes.push(format!("limits hit: {}", limits.join(", ")));
    }
    screen.line(
        2,
        &[
            Span::new(format!("{mark} "), paint),
            plain(format!("{} {}", phase.name, text::millis(phase.wall_ms))),
            plain(format!("  {}", notes.join(" · "))),
        ],
    );
    for entry in failed(phase).take(ENTRIES) {
        let detail = match entry.detail.is_empty() {
            true => String::new(),
            false => format!(": {}", text::shown(&entry.detail, 200)),
        };
        let line = format!(
            "{} {}{detail}",
            text::shown(&entry.name, 80),
            entry.status.replace('_', " ")
        );
        screen.line(6, &[dim(line)]);
    }
    screen.more(6, failures.saturating_sub(ENTRIES));
}

pub(super) fn sandbox(screen: &mut Screen, view: &View) {
    let report = view.report;
    screen.heading(
        "Run",
        format!("{} · {}", report.analysis, report.started_at),
    );
    for artifact in report.artifacts.iter().take(6) {
        screen.line(
            2,
            &[
                plain(format!("{} ", text::shown(&artifact.filename, 100))),
                dim(format!(
                    "{} · {} · sha256 {}",
                    crate::view::kind(artifact.kind),
                    text::bytes(artifact.size),
                    text::digest(&artifact.sha256)
                )),
            ],
        );
    }
    screen.more(2, report.artifacts.len().saturating_sub(6));
    if let Some(time) = &report.as_of {
        screen.paragraph(2, &dim(format!("registries as of {time}")), 2);
    }
    match &report.sandbox {
        None => screen.line(2, &[plain("nothing was executed")]),
        Some(sandbox) => {
            let line = format!(
                "{} · image {} · persona {} · tracer {}",
                sandbox.isolation, sandbox.image, sandbox.persona, sandbox.tracer
            );
            screen.paragraph(2, &dim(line), 2);
            for gap in sandbox.not_observed.iter().take(6) {
                screen.paragraph(2, &dim(format!("not observed: {gap}")), 2);
            }
            screen.more(2, sandbox.not_observed.len().saturating_sub(6));
        }
    }
}
