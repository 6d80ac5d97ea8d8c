use apa_model::Hostile;
use maud::{Markup, html};

use super::cells::{Anchors, hash, hostile, ours};
use crate::{text, view::View};

const REASONS: usize = 3;
const GAPS: usize = 50;

/// The verdict, why in three lines, and what it rests on in numbers.
pub(super) fn header(view: &View, anchors: &Anchors) -> Markup {
    let report = view.report;
    let verdict = &report.verdict;
    html! {
        header.verdict.(text::name(&verdict.label)) {
            div.top {
                p.id { bdi.c { (text::safe(&super::cut(&report.package.purl, 300))) } }
                div.call {
                    h1 { (verdict.label) }
                    span.score { "score " (verdict.score) " of 100" }
                }
                p.summary { (ours(&verdict.summary, 600)) }
                (reasons(view, anchors))
                (glance(view))
            }
        }
    }
}

fn reasons(view: &View, anchors: &Anchors) -> Markup {
    let findings = &view.report.findings;
    html! {
        @if findings.is_empty() {
            p.note {
                "No rule found anything."
                @if !view.report.complete { " Not everything was seen, so that proves little." }
            }
        } @else {
            ol.reasons aria-label="Strongest reasons" {
                @for (at, finding) in findings.iter().enumerate().take(REASONS) {
                    @if anchors.findings.contains(&at) {
                        li {
                            a href={ "#finding-" (at + 1) } {
                                strong { (ours(&finding.title, 160)) }
                                small {
                                    (text::name(&finding.severity)) " · " (finding.phase)
                                    " · confidence " (text::name(&finding.confidence))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn glance(view: &View) -> Markup {
    let report = view.report;
    let counts = &report.counts;
    let stolen = report
        .canaries
        .iter()
        .filter(|canary| canary.exfiltrated)
        .count();
    let severities: Vec<String> = view
        .severities()
        .iter()
        .map(|(severity, count)| {
            format!("{} {}", text::number(*count as u64), text::name(severity))
        })
        .collect();
    html! {
        dl.glance {
            div { dt { "Seen" } dd { @if report.complete { "everything" } @else { "not everything" } } }
            div { dt { "Findings" } dd { @if severities.is_empty() { "none" } @else { (severities.join(", ")) } } }
            div { dt { "Baits seen leaving" } dd {
                    @if report.canaries.is_empty() { "none planted" }
                    @else { (text::number(stolen as u64)) " of " (text::number(report.canaries.len() as u64)) }
                } }
            div { dt { "Events" } dd { (text::number(counts.events)) ", " (text::number(counts.lost)) " lost" } }
            div {
                dt { "Processes" }
                dd { (text::number(counts.processes)) ", " (text::number(view.package_processes() as u64)) " of package code" }
            }
            div { dt { "Conversations" } dd { (text::number(counts.flows)) } }
            div { dt { "Took" } dd { (text::millis(report.wall_ms)) } }
            @if let Some(published) = &report.package.published_at {
                div { dt { "Published" } dd title=(text::shown(published, 40)) { (hostile(&minute(published), 40)) } }
            }
            @if let Some(version) = &report.package.previous_version {
                div { dt { "Version before" } dd { (hostile(version, 40)) } }
            }
        }
    }
}

/// A time to the minute, as people read it; anything else as it is.
fn minute(time: &Hostile) -> Hostile {
    match time.lossy().split_at_checked(16) {
        Some((start, _)) if start.as_bytes()[10] == b'T' => start.replace('T', " ").into(),
        _ => time.clone(),
    }
}

/// Why not everything was seen, where nobody can overlook it.
pub(super) fn gaps(view: &View) -> Markup {
    let reasons = &view.report.verdict.incomplete;
    if reasons.is_empty() && view.report.complete {
        return html! {};
    }
    html! {
        section.gap aria-labelledby="gap-title" {
            h2 id="gap-title" { "Not everything was seen" span.n { (reasons.len()) } }
            ul.plain {
                @for reason in reasons.iter().take(GAPS) {
                    li {
                        strong { (text::name(&reason.code)) }
                        @if let Some(phase) = reason.phase { " in " (phase) }
                        ": " (hostile(&reason.detail, 500))
                    }
                }
            }
            @if reasons.is_empty() { p { "The report does not say why." } }
            (super::cells::cut_note(reasons.len().min(GAPS), reasons.len(), "reasons"))
        }
    }
}

pub(super) fn footer(view: &View) -> Markup {
    let report = view.report;
    html! {
        footer {
            p {
                "Analysis " code { (ours(&report.analysis, 80)) } ", started " (ours(&report.started_at, 40))
                @if let Some(artifact) = &report.artifact { ", artifact " (hash(&artifact.sha256)) }
                ", exit code " (report.exit_code) ", schema " (ours(&report.schema_version, 20)) ". "
                "Text that the package chose is shown with control and invisible characters escaped."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_to_the_minute_and_anything_else_as_it_is() {
        for (given, shown) in [
            ("2026-08-08T20:36:04.544000+00:00", "2026-08-08 20:36"),
            ("2026-08-08", "2026-08-08"),
            ("a long while ago, I think", "a long while ago, I think"),
            ("", ""),
        ] {
            assert_eq!(minute(&given.into()), shown.into());
        }
    }
}
