//! The report that INetSim writes at its end, with the same lines for the same protocols.

use std::fmt::Write as _;

use apa_model::{Flow, Protocol};

use super::{Network, answered, host, moment, requests};

/// Longest value on a line; theirs ends at 40.
const SHOWN: usize = 200;

/// A line per request, in order of time.
pub fn text(network: &Network<'_>) -> String {
    let mut lines: Vec<(u64, String)> = Vec::new();
    for flow in network.flows {
        lines.extend(told(flow).into_iter().map(|line| (flow.started_us, line)));
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut out = format!("=== Report for {} ===\n\n", network.subject);
    let _ = writeln!(out, "Real start date            : {}", date(network, 0));
    let _ = writeln!(
        out,
        "Connections                : {}\n",
        network.flows.len()
    );
    if let Some((at, _)) = lines.first() {
        let _ = writeln!(
            out,
            "{}  First simulated date in log file",
            date(network, *at)
        );
    }
    for (at, line) in &lines {
        let _ = writeln!(out, "{}  {line}", date(network, *at));
    }
    if let Some((at, _)) = lines.last() {
        let _ = writeln!(
            out,
            "{}  Last simulated date in log file",
            date(network, *at)
        );
    }
    out.push_str("\n===\n");
    out
}

/// `2026-11-24 14:03:11`.
fn date(network: &Network<'_>, after_us: u64) -> String {
    moment(network.started_at, after_us)
        .chars()
        .take(19)
        .map(|c| if c == 'T' { ' ' } else { c })
        .collect()
}

fn told(flow: &Flow) -> Vec<String> {
    let secure = flow.layers.iter().any(|layer| layer == "tls");
    let requests = requests(flow);
    if !requests.is_empty() {
        let name = if secure { "HTTPS" } else { "HTTP" };
        return requests
            .iter()
            .map(|request| {
                let answer = answered(&request.message.answer);
                let sent = match &request.message.body {
                    Some(digest) => format!(", POST data: {digest}"),
                    None => String::new(),
                };
                let url = request.message.summary.shortened(SHOWN).to_string();
                let url = url.split_once(' ').map_or(url.as_str(), |(_, url)| url);
                let rule = answer.rule.unwrap_or_else(|| "none".to_owned());
                format!(
                    "{name} connection, method: {}, URL: {url}, rule: {rule}{sent}",
                    request.method
                )
            })
            .collect();
    }
    if flow.protocol == Protocol::Dns {
        let questions = flow.messages.iter().map(|message| {
            let asked = message.summary.shortened(SHOWN).to_string();
            let (kind, name) = asked.split_once(' ').unwrap_or(("?", &asked));
            format!("DNS connection, type: {kind}, class: IN, requested name: {name}")
        });
        return questions.collect();
    }
    let layer = flow
        .layers
        .last()
        .map_or("raw", String::as_str)
        .to_uppercase();
    let place = format!(
        "{layer} connection, destination: {} ({})",
        flow.destination,
        host(flow)
    );
    if flow.messages.is_empty() {
        return vec![format!("{place}, bytes: {}", flow.bytes_out)];
    }
    flow.messages
        .iter()
        .map(|message| format!("{place}, {}", message.summary.shortened(SHOWN)))
        .collect()
}
