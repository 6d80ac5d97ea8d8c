use std::collections::HashSet;

use maud::{Markup, html};

use apa_model::{
    CanaryHit, Evidence, FlowMessage, Owner, Protocol,
    report::{FlowRecord, Report},
};

use super::{
    Section,
    cells::{Anchors, LIST_BYTES, artifact, bounded, code, cut_note, hash, hostile, ours, owner},
};
use crate::{text, view::View};

const FLOWS: usize = 300;
const MESSAGES: usize = 12;
const HEADERS: usize = 24;
const HITS: usize = 12;
const LAYERS: usize = 12;

pub(super) fn section(view: &View, anchors: &mut Anchors) -> Option<Section> {
    let flows = &view.report.flows;
    if flows.is_empty() {
        return None;
    }
    let list = bounded(by_weight(view.report), FLOWS, 2 * LIST_BYTES, |record| {
        let id = anchors.add_flow(&record.artifact, record.flow.id);
        flow(view, anchors, record, &id)
    });
    Some(Section {
        id: "network",
        title: "Network",
        count: Some(flows.len()),
        body: html! {
            p.note { "Nothing left this machine: every answer came from simulated services." }
            div.scroll tabindex="0" role="group" aria-label="Network conversations" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Conversation" }
                            th scope="col" { "Destination" }
                            th scope="col" { "Spoken" }
                            th scope="col" { "Who" }
                            th.num scope="col" { "Started" }
                            th.num scope="col" { "Sent" }
                            th.num scope="col" { "Received" }
                        }
                    }
                    tbody { (list.html) }
                }
            }
            (cut_note(list.shown, flows.len(), "conversations"))
        },
    })
}

/// Theft first, then what findings rest on, then package code and unknown processes, then managers.
fn by_weight(report: &Report) -> Vec<&FlowRecord> {
    let evidence: HashSet<(&str, u32)> = report
        .findings
        .iter()
        .flat_map(|finding| &finding.evidence)
        .filter_map(|evidence| match evidence {
            Evidence::Flow { artifact, flow, .. } => Some((artifact.as_str(), *flow)),
            _ => None,
        })
        .collect();
    let mut flows: Vec<&FlowRecord> = report.flows.iter().collect();
    flows.sort_by_key(|record| {
        let flow = &record.flow;
        if !flow.canary_hits.is_empty() {
            0
        } else if evidence.contains(&(record.artifact.as_str(), flow.id)) {
            1
        } else if !matches!(flow.owner, Some(Owner::Manager | Owner::Harness)) {
            2
        } else {
            3
        }
    });
    flows
}

fn flow(view: &View, anchors: &mut Anchors, record: &FlowRecord, id: &str) -> Markup {
    let flow = &record.flow;
    let stolen = !flow.canary_hits.is_empty();
    let layers = flow.layers.iter().take(LAYERS).map(String::as_str);
    let spoken = text::safe(&super::cut(&layers.collect::<Vec<_>>().join(" / "), 120));
    html! {
        tr id=(id) class=[stolen.then_some("hit")] {
            td {
                (flow.id) " " (flow.phase)
                @if stolen { br; span.badge.bad { "bait sent" } }
                (artifact(view, &record.artifact))
            }
            td.wide {
                @if let Some(name) = flow.resolved_name.as_ref().or(flow.sni.as_ref()) {
                    strong { (hostile(name, 253)) } br;
                } @else if flow.protocol == Protocol::Dns {
                    strong { "name service" } br;
                }
                code { (flow.destination) }
            }
            td { bdi { (spoken) } }
            td {
                @match flow.process {
                    Some(process) => bdi { (view.process(&record.artifact, process)) },
                    None => span.soft { "unknown process" },
                }
                @if let Some(whose) = &flow.owner { br; (owner(whose)) }
            }
            td.num { (text::moment(flow.started_us)) }
            td.num { (text::bytes(flow.bytes_out)) }
            td.num { (text::bytes(flow.bytes_in)) }
        }
        tr.more { td colspan="7" { (details(anchors, record, stolen)) } }
    }
}

fn details(anchors: &mut Anchors, record: &FlowRecord, open: bool) -> Markup {
    let flow = &record.flow;
    let first = flow.messages.first();
    let hits = flow.canary_hits.len();
    let all = flow.messages.len();
    html! {
        @if let Some(sni) = flow.sni.as_ref().filter(|sni| Some(*sni) != flow.resolved_name.as_ref()) {
            p { "TLS server name " (code(sni, 253)) }
        }
        @if let Some(alert) = &flow.tls_failure {
            p { span.badge.warn { "TLS refused" } " " (hostile(alert, 200)) }
        }
        @if hits > 0 {
            ul.hits aria-label="Baits found in what was sent" {
                @for hit in flow.canary_hits.iter().take(HITS) { li { (self::hit(hit)) } }
            }
            (cut_note(hits.min(HITS), hits, "bait hits"))
        }
        @if let Some(first) = first {
            details open[open] {
                summary {
                    @if all == 1 { bdi { (text::shown(&first.summary, 160)) } }
                    @else { (text::number(all as u64)) " requests, first " bdi { (text::shown(&first.summary, 120)) } }
                }
                @for message in flow.messages.iter().take(MESSAGES) { (exchange(anchors, message)) }
                (cut_note(all.min(MESSAGES), all, "requests"))
                @if let Some(blob) = &flow.sent_blob {
                    p.note { "All that was sent, decrypted: " span id=[anchors.add_blob(blob)] { (hash(blob)) } }
                }
            }
        }
        @if flow.truncated { p.cut { "Part of the bytes was not kept." } }
    }
}

fn hit(hit: &CanaryHit) -> Markup {
    let layers = hit.layers.iter().take(LAYERS).map(String::as_str);
    let chain = text::safe(&super::cut(&layers.collect::<Vec<_>>().join(" → "), 200));
    html! {
        strong { (ours(&hit.canary, 60)) } " in " bdi { (chain) }
        br; (code(&hit.excerpt, 160))
    }
}

fn exchange(anchors: &mut Anchors, message: &FlowMessage) -> Markup {
    let headers = message.headers.len();
    html! {
        div.exchange {
            p { strong { (code(&message.summary, 500)) } }
            @if headers > 0 {
                dl {
                    @for (name, value) in message.headers.iter().take(HEADERS) {
                        dt { (hostile(name, 80)) }
                        dd { (hostile(value, 200)) }
                    }
                }
                (cut_note(headers.min(HEADERS), headers, "headers"))
            }
            @if let Some(body) = &message.body {
                p { "body " (text::bytes(message.body_bytes)) ", " span id=[anchors.add_blob(body)] { (hash(body)) } }
            }
            p.soft { "→ " (hostile(&message.answer, 200)) }
        }
    }
}
