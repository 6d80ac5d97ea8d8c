//! HAR 1.2: what browsers and proxies exchange.

use apa_model::Flow;
use serde_json::{Value, json};

use super::{Network, Request, answered, moment, requests};

/// Longest body that is put into the file, bytes.
const BODY: usize = 1 << 20;
/// Entries.
const ENTRIES: usize = 20_000;

/// All HTTP requests as HAR 1.2. What HAR has no place for is in members that begin with `_`. Times within one
/// conversation are not known: all its requests have its beginning.
pub fn har(network: &Network<'_>) -> String {
    let entries: Vec<Value> = network
        .flows
        .iter()
        .flat_map(|flow| {
            requests(flow)
                .into_iter()
                .map(move |request| (flow, request))
        })
        .take(ENTRIES)
        .map(|(flow, request)| entry(network, flow, &request))
        .collect();
    let log = json!({
        "log": {
            "version": "1.2",
            "creator": { "name": "apa", "version": env!("CARGO_PKG_VERSION") },
            "comment": network.subject,
            "pages": [],
            "entries": entries,
        }
    });
    format!("{log:#}\n")
}

fn entry(network: &Network<'_>, flow: &Flow, request: &Request<'_>) -> Value {
    let took = flow
        .ended_us
        .unwrap_or(flow.started_us)
        .saturating_sub(flow.started_us)
        / 1000;
    let answer = answered(&request.message.answer);
    json!({
        "startedDateTime": moment(network.started_at, flow.started_us),
        "time": took,
        "request": asked(network, flow, request),
        "response": {
            "status": answer.status,
            "statusText": "",
            "httpVersion": version(flow),
            "cookies": [],
            "headers": [],
            "content": { "size": answer.length, "mimeType": answer.kind },
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": answer.length,
            "comment": request.message.answer.to_string(),
        },
        "cache": {},
        "timings": { "send": 0, "wait": took, "receive": 0 },
        "serverIPAddress": flow.destination.ip().to_string(),
        "connection": flow.id.to_string(),
        "_originalDestination": flow.destination.to_string(),
        "_process": (network.process)(flow),
        "_phase": flow.phase.as_str(),
        "_layers": flow.layers,
        "_sni": flow.sni.as_ref().map(ToString::to_string),
        "_rule": answer.rule,
        "_canaryHits": flow.canary_hits,
    })
}

fn asked(network: &Network<'_>, flow: &Flow, request: &Request<'_>) -> Value {
    let message = request.message;
    let pair = |name: &str, value: &str| json!({ "name": name, "value": value });
    let headers: Vec<Value> = message
        .headers
        .iter()
        .map(|(name, value)| pair(&name.lossy(), &value.lossy()))
        .collect();
    let query = request.url.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<Value> = query
        .split('&')
        .filter(|text| !text.is_empty())
        .map(|text| text.split_once('=').unwrap_or((text, "")))
        .map(|(name, value)| pair(name, value))
        .collect();
    let mut asked = json!({
        "method": request.method,
        "url": request.url,
        "httpVersion": version(flow),
        "cookies": [],
        "headers": headers,
        "queryString": query,
        "headersSize": -1,
        "bodySize": message.body_bytes,
    });
    if let Some(digest) = &message.body {
        let kind = message
            .headers
            .iter()
            .find(|(name, _)| name.lossy().eq_ignore_ascii_case("content-type"));
        let kind = kind
            .map(|(_, value)| value.lossy().into_owned())
            .unwrap_or_default();
        let body = (network.body)(digest).unwrap_or_default();
        let shown = &body[..body.len().min(BODY)];
        let mut data = json!({ "mimeType": kind, "params": [], "_sha256": digest });
        match std::str::from_utf8(shown) {
            Ok(text) => data["text"] = text.into(),
            Err(_) => {
                use base64::Engine as _;
                data["text"] = base64::engine::general_purpose::STANDARD
                    .encode(shown)
                    .into();
                data["encoding"] = "base64".into();
            }
        }
        asked["postData"] = data;
    }
    asked
}

fn version(flow: &Flow) -> &'static str {
    match flow.layers.iter().any(|layer| layer == "h2") {
        true => "HTTP/2",
        false => "HTTP/1.1",
    }
}
