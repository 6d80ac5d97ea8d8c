use std::collections::BTreeMap;

use maud::{Markup, html};

use apa_model::{
    Limits, Phase,
    report::{PhaseRecord, SandboxInfo},
};

use super::{
    Section,
    cells::{LIST_BYTES, artifact, bounded, code, cut_note, hash, hostile, ours, owner, status},
};
use crate::{text, view::View};

const PHASES: usize = 100;
const ENTRIES: usize = 40;
const CALLS: usize = 200;
const FACTS: usize = 1_500;
const LINES: usize = 50;

pub(super) fn phases(view: &View) -> Option<Section> {
    let phases = &view.report.phases;
    let list = bounded(phases, PHASES, LIST_BYTES, |record| phase(view, record));
    Some(Section {
        id: "phases",
        title: "Phases",
        count: Some(phases.len()),
        body: html! {
            @if phases.is_empty() { p { "No phase took place." } } @else {
                div.scroll tabindex="0" role="group" aria-label="Phases" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Phase" }
                                th scope="col" { "Status" }
                                th.num scope="col" { "Took" }
                                th scope="col" { "Limits hit" }
                                th scope="col" { "Entries" }
                            }
                        }
                        tbody { (list.html) }
                    }
                }
            }
            (cut_note(list.shown, phases.len(), "phases"))
        },
    })
}

fn phase(view: &View, record: &PhaseRecord) -> Markup {
    let limits: Vec<&str> = record
        .limits_hit
        .iter()
        .take(12)
        .map(String::as_str)
        .collect();
    html! {
        tr {
            th scope="row" { (record.name) (artifact(view, &record.artifact)) }
            td { (status(record.status)) }
            td.num { (text::millis(record.wall_ms)) }
            td { @if limits.is_empty() { span.soft { "none" } } @else { strong { (ours(&limits.join(", "), 300)) } } }
            td.wide { (entries(record)) }
        }
    }
}

fn entries(record: &PhaseRecord) -> Markup {
    let all = record.entries.len();
    // What went wrong is worth more than what went well.
    let mut order: Vec<_> = record.entries.iter().collect();
    order.sort_by_key(|entry| entry.status == "done");
    let failed = order.iter().filter(|entry| entry.status != "done").count();
    html! {
        @if all == 0 { span.soft { "–" } } @else {
            details {
                summary {
                    (text::count(all, "entry", "entries"))
                    @if failed > 0 { ", " (text::number(failed as u64)) " did not succeed" }
                }
                ul.plain {
                    @for entry in order.into_iter().take(ENTRIES) {
                        li {
                            (code(&entry.name, 160)) " " (ours(&entry.status.replace('_', " "), 20))
                            @if !entry.detail.is_empty() { br; span.soft { (hostile(&entry.detail, 400)) } }
                        }
                    }
                }
                (cut_note(all.min(ENTRIES), all, "entries"))
            }
        }
    }
}

/// Calls of a name in a phase, over all processes.
#[derive(Default)]
struct Calls {
    count: u64,
    processes: usize,
}

pub(super) fn syscalls(view: &View) -> Option<Section> {
    let mut calls: BTreeMap<(&str, Phase, &str), Calls> = BTreeMap::new();
    for each in &view.report.syscalls {
        let sum = calls
            .entry((each.artifact.as_str(), each.phase, each.call.as_str()))
            .or_default();
        sum.count = sum.count.saturating_add(each.count);
        sum.processes += 1;
    }
    if calls.is_empty() {
        return None;
    }
    let total = calls.len();
    let mut calls: Vec<_> = calls.into_iter().collect();
    calls.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.count));
    let list = bounded(calls, CALLS, LIST_BYTES, |((of, phase, call), sum)| {
        html! {
            tr {
                th scope="row" { code { (ours(call, 60)) } }
                td { (phase) (artifact(view, of)) }
                td.num { (text::number(sum.count)) }
                td.num { (text::number(sum.processes as u64)) }
            }
        }
    });
    Some(Section {
        id: "syscalls",
        title: "System calls",
        count: None,
        body: html! {
            details {
                summary { (text::number(view.report.counts.syscalls)) " recorded calls by name and phase" }
                table {
                    thead {
                        tr {
                            th scope="col" { "Call" }
                            th scope="col" { "Phase" }
                            th.num scope="col" { "Times" }
                            th.num scope="col" { "Processes" }
                        }
                    }
                    tbody { (list.html) }
                }
                (cut_note(list.shown, total, "sums"))
            }
        },
    })
}

pub(super) fn facts(view: &View) -> Option<Section> {
    let facts = &view.report.facts;
    if facts.is_empty() {
        return None;
    }
    let list = bounded(facts, FACTS, 2 * LIST_BYTES, |fact| {
        html! {
            tr {
                td { (fact.phase) }
                td { (owner(&fact.owner)) }
                td { (ours(&fact.action, 60)) }
                td.wide { (code(&fact.object, 400)) }
                td { (ours(&fact.outcome, 20)) }
            }
        }
    });
    Some(Section {
        id: "facts",
        title: "Facts",
        count: Some(facts.len()),
        body: html! {
            details {
                summary { "Everything that was concluded from events, normalised" }
                div.scroll tabindex="0" role="group" aria-label="Facts" {
                    table {
                        thead {
                            tr {
                                @for column in ["Phase", "Whose", "Action", "Object", "Outcome"] {
                                    th scope="col" { (column) }
                                }
                            }
                        }
                        tbody { (list.html) }
                    }
                }
                (cut_note(list.shown, facts.len(), "facts"))
            }
        },
    })
}

pub(super) fn sandbox(view: &View) -> Option<Section> {
    let report = view.report;
    Some(Section {
        id: "run",
        title: "How it was run",
        count: None,
        body: html! {
            dl.run {
                @for artifact in report.artifacts.iter().take(LINES) {
                    dt { "Artifact" }
                    dd {
                        (code(&artifact.filename, 200)) " " (crate::view::kind(artifact.kind)) ", "
                        (text::bytes(artifact.size)) ", SHA-256 " (hash(&artifact.sha256))
                        @if report.artifact.as_ref() == Some(artifact) { " " span.badge { "what a client takes" } }
                    }
                }
                @if let Some(sandbox) = &report.sandbox { (conditions(sandbox, report.as_of.as_deref())) }
            }
            @if report.sandbox.is_none() { p { "Nothing was executed." } }
            (cut_note(report.artifacts.len().min(LINES), report.artifacts.len(), "artifacts"))
        },
    })
}

fn conditions(sandbox: &SandboxInfo, as_of: Option<&str>) -> Markup {
    let times = |times: &[u64]| {
        let each: Vec<String> = times.iter().take(12).map(|ms| text::millis(*ms)).collect();
        each.join(", ")
    };
    html! {
        @if let Some(time) = as_of {
            dt { "Registries as of" } dd { (ours(time, 40)) }
        }
        dt { "Isolation" } dd { (ours(&sandbox.isolation, 100)) }
        dt { "Image" } dd { (ours(&sandbox.image, 200)) }
        dt { "Persona" } dd { (sandbox.persona) }
        dt { "Tracer" } dd { (ours(&sandbox.tracer, 200)) }
        dt { "Limits" } dd { (limits(&sandbox.limits)) }
        dt { "Enforced by" } dd { (lines(&sandbox.enforced)) }
        dt { "Not observed" }
        dd { @if sandbox.not_observed.is_empty() { "nothing known" } @else { (lines(&sandbox.not_observed)) } }
        dt { "Ready after" } dd { (times(&sandbox.ready_ms)) }
        dt { "Torn down in" } dd { (times(&sandbox.teardown_ms)) }
    }
}

fn lines(lines: &[String]) -> Markup {
    html! {
        @for (at, line) in lines.iter().take(LINES).enumerate() { @if at > 0 { br; } (ours(line, 300)) }
        (cut_note(lines.len().min(LINES), lines.len(), "lines"))
    }
}

fn limits(limits: &Limits) -> Markup {
    html! {
        (text::bytes(limits.memory_bytes)) " memory, " (text::number(limits.pids)) " processes, "
        (limits.cpu_percent) " % of a core, " (text::bytes(limits.disk_bytes)) " disk in "
        (text::number(limits.inodes)) " files, " (text::bytes(limits.output_bytes)) " output a command, "
        (text::number(limits.events)) " events" br;
        "install " (text::millis(limits.install_ms)) ", import " (text::millis(limits.import_ms))
        ", execute " (text::millis(limits.execute_ms)) ", each entry " (text::millis(limits.entry_ms))
        ", linger " (text::millis(limits.linger_ms)) ", all " (text::millis(limits.total_ms))
    }
}
