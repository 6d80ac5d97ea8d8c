//! Network conversations by themselves, in the formats of other tools.

mod har;
mod page;
mod text;

use apa_model::{Digest, Flow, Hostile, Protocol};

pub use har::har;
pub use page::page;
pub use text::text;

/// What is known besides the conversations.
pub struct Network<'a> {
    /// In order.
    pub flows: &'a [Flow],
    /// When zero of their times was, RFC 3339 in UTC.
    pub started_at: &'a str,
    /// What is simulated, in a line: the package, the command, the addresses listened on.
    pub subject: &'a str,
    /// A flow's process in words.
    pub process: &'a dyn Fn(&Flow) -> Option<String>,
    /// A kept body, where it can still be had.
    pub body: &'a dyn Fn(&Digest) -> Option<Vec<u8>>,
}

/// One conversation a line, as JSON.
pub fn json_lines(network: &Network<'_>) -> String {
    let lines = network.flows.iter().filter_map(|flow| {
        let mut line = serde_json::to_string(flow).ok()?;
        line.push('\n');
        Some(line)
    });
    lines.collect()
}

/// An HTTP request as a flow's message tells it.
struct Request<'a> {
    method: String,
    url: String,
    message: &'a apa_model::FlowMessage,
}

/// The requests of a flow that speaks HTTP.
fn requests(flow: &Flow) -> Vec<Request<'_>> {
    if flow.protocol != Protocol::Http && !flow.layers.iter().any(|layer| layer == "http") {
        return Vec::new();
    }
    let requests = flow.messages.iter().filter_map(|message| {
        let summary = message.summary.lossy();
        let (method, url) = summary.split_once(' ')?;
        url.contains("://").then(|| Request {
            method: method.to_owned(),
            url: url.to_owned(),
            message,
        })
    });
    requests.collect()
}

/// Status, type and length of an answer such as `200 text/html 312 bytes (rule)`.
struct Answered {
    status: u16,
    kind: String,
    length: u64,
    rule: Option<String>,
}

fn answered(answer: &Hostile) -> Answered {
    let text = answer.lossy();
    let mut words = text.split(' ');
    let status = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let kind = words.next().unwrap_or_default();
    let length = words.next().and_then(|word| word.parse().ok());
    let rule = text
        .rsplit_once('(')
        .and_then(|(_, rule)| rule.strip_suffix(')'))
        .map(str::to_owned);
    Answered {
        status,
        kind: if kind.contains('/') {
            kind.to_owned()
        } else {
            String::new()
        },
        length: length.unwrap_or(0),
        rule,
    }
}

/// RFC 3339 of a moment so many microseconds after `started_at`.
fn moment(started_at: &str, after_us: u64) -> String {
    let started: jiff::Timestamp = started_at.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let after = i64::try_from(after_us).unwrap_or(i64::MAX);
    let at = started
        .checked_add(jiff::SignedDuration::from_micros(after))
        .unwrap_or(started);
    format!("{at:.3}")
}

/// The host of a flow: TLS server name, resolved name, or address.
fn host(flow: &Flow) -> String {
    match flow.sni.as_ref().or(flow.resolved_name.as_ref()) {
        Some(name) => name.to_string(),
        None => flow.destination.ip().to_string(),
    }
}

#[cfg(test)]
mod tests;
