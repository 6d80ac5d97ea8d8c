//! All conversations on one page, grouped by process and protocol. It loads nothing and runs no script.

use std::collections::BTreeMap;

use apa_model::{Flow, Hostile};
use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::Network;

/// Conversations shown of one group, messages of one conversation, and characters of a value.
const FLOWS: usize = 500;
const MESSAGES: usize = 100;
const SHOWN: usize = 600;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24;background:#fff}\
h1{font-size:1.4rem}h2{font-size:1.15rem;border-bottom:1px solid #ccd;margin-top:2rem}summary{cursor:pointer;font-weight:600;padding:.2rem 0}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #eef;overflow-wrap:anywhere}\
bdi,code{font-family:ui-monospace,monospace;font-size:.9em}.hit{color:#b00020;font-weight:600}.n{color:#667}\
@media(prefers-color-scheme:dark){body{color:#e6e8eb;background:#14171a}h2{border-color:#345}td,th{border-color:#223}.hit{color:#ff8a9b}.n{color:#9ab}}";

/// The page.
pub fn page(network: &Network<'_>) -> String {
    let mut groups: BTreeMap<String, BTreeMap<String, Vec<&Flow>>> = BTreeMap::new();
    for flow in network.flows {
        let process = (network.process)(flow).unwrap_or_else(|| "unknown process".to_owned());
        let protocol = flow.layers.last().map_or("raw", String::as_str).to_owned();
        groups
            .entry(process)
            .or_default()
            .entry(protocol)
            .or_default()
            .push(flow);
    }
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE))
    );
    let hits: usize = network
        .flows
        .iter()
        .map(|flow| flow.canary_hits.len())
        .sum();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Network of " (Hostile::from(network.subject)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Network of " bdi { (Hostile::from(network.subject)) } }
                p { (network.flows.len()) " conversations since " (network.started_at)
                    @if hits > 0 { ", " span.hit { (hits) " baits seen leaving" } } }
                @for (process, protocols) in &groups {
                    h2 { bdi { (Hostile::from(process.as_str())) } }
                    @for (protocol, flows) in protocols {
                        details open[protocols.len() == 1] {
                            summary { (Hostile::from(protocol.as_str())) " " span.n { (flows.len()) } }
                            (table(flows))
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn table(flows: &[&Flow]) -> Markup {
    html! {
        table {
            thead { tr { th { "Destination" } th { "Name" } th { "Phase" } th { "Bytes" } th { "What" } } }
            tbody {
                @for flow in flows.iter().take(FLOWS) {
                    tr {
                        td { (flow.destination) @if flow.layers.iter().any(|layer| layer == "tls") { " TLS" } }
                        td { @if let Some(name) = flow.sni.as_ref().or(flow.resolved_name.as_ref()) { (cell(name)) } }
                        td { (flow.phase) }
                        td { (flow.bytes_out) " → " (flow.bytes_in) " ←" }
                        td { (messages(flow)) }
                    }
                }
            }
        }
        @if flows.len() > FLOWS { p { (flows.len() - FLOWS) " more are not shown" } }
    }
}

fn messages(flow: &Flow) -> Markup {
    html! {
        @for message in flow.messages.iter().take(MESSAGES) {
            div {
                (cell(&message.summary)) " → " (cell(&message.answer))
                @if let Some(digest) = &message.body { " " span.n { (message.body_bytes) " bytes, SHA-256 " code { (digest) } } }
            }
        }
        @if flow.messages.len() > MESSAGES { div { (flow.messages.len() - MESSAGES) " more" } }
        @for hit in &flow.canary_hits {
            div.hit { "bait " (hit.canary) " by way of " (hit.layers.join(", ")) }
        }
        @if let Some(failure) = &flow.tls_failure { div { "TLS refused: " (cell(failure)) } }
    }
}

fn cell(value: &Hostile) -> Markup {
    html! { bdi { (value.shortened(SHOWN)) } }
}
