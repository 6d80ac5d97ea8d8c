use maud::{Markup, html};

use apa_model::report::{CanaryRecord, Dropped, FileRecord};

use super::{
    Section,
    cells::{Anchors, LIST_BYTES, artifact, bounded, code, cut_note, hash, hostile, ours, owner},
};
use crate::{text, view::View};

const ROWS: usize = 400;

/// A table with its bounds, inside what lets it scroll.
fn table(label: &str, columns: &[&str], rows: Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(label) {
            table {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody { (rows) }
            }
        }
    }
}

pub(super) fn files(view: &View) -> Option<Section> {
    let files = &view.report.files;
    if files.is_empty() {
        return None;
    }
    let list = bounded(files, ROWS, LIST_BYTES, |file| self::file(view, file));
    Some(Section {
        id: "files",
        title: "Files outside the package",
        count: Some(files.len()),
        body: html! {
            (table("Files outside the package", &["Path", "What was done", "Outcome", "Who", "Phase"], list.html))
            (cut_note(list.shown, files.len(), "files"))
        },
    })
}

fn file(view: &View, file: &FileRecord) -> Markup {
    let acts: Vec<&str> = file.acts.iter().take(12).map(String::as_str).collect();
    html! {
        tr {
            td.wide { (code(&file.path, 400)) }
            td { (ours(&acts.join(", "), 200)) }
            td {
                @match file.succeeded {
                    Some(true) => "succeeded",
                    Some(false) => span.soft { "failed" },
                    None => span.soft { "not known" },
                }
            }
            td { bdi { (view.process(&file.artifact, file.process)) } " " (owner(&file.owner)) }
            td { (file.phase) (artifact(view, &file.artifact)) }
        }
    }
}

pub(super) fn dropped(view: &View, anchors: &mut Anchors) -> Option<Section> {
    let dropped = &view.report.dropped;
    if dropped.is_empty() {
        return None;
    }
    // What was run or hidden again says more than what simply stayed.
    let mut order: Vec<&Dropped> = dropped.iter().collect();
    order.sort_by_key(|file| file.when == "remained");
    let list = bounded(order, ROWS, LIST_BYTES, |file| {
        drop_row(view, anchors, file)
    });
    Some(Section {
        id: "dropped",
        title: "Files it wrote",
        count: Some(dropped.len()),
        body: html! {
            (table(
                "Files it wrote",
                &["Path", "SHA-256", "Size", "Mode", "Kept when", "Who", "Phase"],
                list.html,
            ))
            (cut_note(list.shown, dropped.len(), "files"))
        },
    })
}

fn drop_row(view: &View, anchors: &mut Anchors, file: &Dropped) -> Markup {
    let id = file
        .sha256
        .as_deref()
        .and_then(|sha256| anchors.add_blob(sha256));
    html! {
        tr id=[id] {
            td.wide { (code(&file.path, 400)) }
            td {
                @match &file.sha256 {
                    Some(sha256) => (hash(sha256)),
                    None => span.badge.warn { "not kept" },
                }
            }
            td.num { (text::bytes(file.size)) }
            td { code { (format!("{:04o}", file.mode & 0o7777)) } @if file.mode & 0o111 != 0 { " executable" } }
            td { (ours(&file.when, 40)) }
            td {
                @if let Some(process) = file.process { bdi { (view.process(&file.artifact, process)) } " " }
                @if let Some(whose) = &file.owner { (owner(whose)) }
            }
            td { (file.phase) (artifact(view, &file.artifact)) }
        }
    }
}

pub(super) fn canaries(view: &View, anchors: &mut Anchors) -> Option<Section> {
    let canaries = &view.report.canaries;
    if canaries.is_empty() {
        return None;
    }
    let mut order: Vec<&CanaryRecord> = canaries.iter().collect();
    order.sort_by_key(|canary| (!canary.exfiltrated, !canary.read));
    let list = bounded(order, ROWS, LIST_BYTES, |canary| {
        bait(view, anchors, canary)
    });
    Some(Section {
        id: "baits",
        title: "Baits",
        count: Some(canaries.len()),
        body: html! {
            p.note { "Secrets made up for this run. One that is seen leaving proves theft." }
            (table("Baits", &["Bait", "Kind", "Planted at", "Read", "Seen leaving"], list.html))
            (cut_note(list.shown, canaries.len(), "baits"))
        },
    })
}

fn bait(view: &View, anchors: &mut Anchors, canary: &CanaryRecord) -> Markup {
    html! {
        tr id=[anchors.add_canary(&canary.id)] class=[canary.exfiltrated.then_some("hit")] {
            td { (ours(&canary.id, 60)) (artifact(view, &canary.artifact)) }
            td { (text::words(&canary.kind)) }
            td.wide { code { (ours(&canary.planted_at, 200)) } }
            td { @if canary.read { span.badge.warn { "read" } } @else { span.soft { "no" } } }
            td { @if canary.exfiltrated { span.badge.bad { "sent out" } } @else { span.soft { "no" } } }
        }
    }
}

pub(super) fn capabilities(view: &View) -> Option<Section> {
    let capabilities = &view.report.capabilities;
    let list = bounded(capabilities, ROWS, LIST_BYTES, |record| {
        let phases: Vec<String> = record
            .phases
            .iter()
            .take(8)
            .map(ToString::to_string)
            .collect();
        html! {
            li.badge title={ (record.facts) " facts" } {
                (record.capability) " " span.soft { (phases.join(", ")) }
            }
        }
    });
    Some(Section {
        id: "capabilities",
        title: "Capabilities",
        count: Some(capabilities.len()),
        body: html! {
            p.note { "What package code was seen doing. None is a threat by itself." }
            @if capabilities.is_empty() { p { "None." } } @else { ul.chips { (list.html) } }
            (cut_note(list.shown, capabilities.len(), "capabilities"))
        },
    })
}

pub(super) fn runtime_code(view: &View) -> Option<Section> {
    let told = &view.report.runtime_code;
    if told.is_empty() {
        return None;
    }
    let list = bounded(told, ROWS, LIST_BYTES, |one| {
        html! {
            tr {
                td { (ours(&one.language, 40)) }
                td { (hostile(&one.entry, 120)) }
                td { (text::bytes(one.size)) " " (hash(&one.sha256)) }
                td.wide {
                    (code(&one.excerpt, 400))
                    @for url in &one.urls { br; (code(url, 200)) }
                    @for canary in &one.canaries { br; "holds bait " (ours(canary, 60)) }
                }
            }
        }
    });
    Some(Section {
        id: "runtime-code",
        title: "Code made at run time",
        count: Some(told.len()),
        body: html! {
            p.note { "Told by probes inside the package's own processes, which it can mislead: never the only evidence. \
                      The whole texts are kept as blobs." }
            (table("Code made at run time", &["Language", "When", "Text", "Begins with"], list.html))
            (cut_note(list.shown, told.len(), "texts"))
        },
    })
}

pub(super) fn anomalies(view: &View) -> Option<Section> {
    let anomalies = &view.report.anomalies;
    if anomalies.is_empty() {
        return None;
    }
    let list = bounded(anomalies, ROWS, LIST_BYTES, |anomaly| {
        html! {
            tr {
                td { (ours(&anomaly.kind, 60)) }
                td.wide { (code(&anomaly.path, 400)) }
                td { (hostile(&anomaly.detail, 500)) }
            }
        }
    });
    Some(Section {
        id: "anomalies",
        title: "Odd in the package",
        count: Some(anomalies.len()),
        body: html! {
            p.note { "Found without running anything." }
            (table("Oddities", &["What", "Where", "In words"], list.html))
            (cut_note(list.shown, anomalies.len(), "oddities"))
        },
    })
}
