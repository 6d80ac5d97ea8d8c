//! What conversations say about themselves.

use std::net::IpAddr;

use apa_model::{Flow, FlowMessage, Protocol};

use crate::normalise::{Normaliser, host_name};

/// Cloud metadata services, by address and name.
const METADATA_ADDRESSES: &[&str] = &[
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "fd00:ec2::254",
];
const METADATA_NAMES: &[&str] = &[
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
];

/// The host the sample meant: TLS server name, resolved name, or the address.
pub(crate) fn host(flow: &Flow, normal: &Normaliser) -> String {
    match flow.sni.as_ref().or(flow.resolved_name.as_ref()) {
        Some(name) => normal.host(&name.lossy()),
        None => flow.destination.ip().to_string(),
    }
}

/// `host:port`, `[v6]:port`.
pub(crate) fn peer(flow: &Flow, normal: &Normaliser) -> String {
    match flow.sni.as_ref().or(flow.resolved_name.as_ref()) {
        Some(_) => format!("{}:{}", host(flow, normal), flow.destination.port()),
        None => flow.destination.to_string(),
    }
}

/// Whether the sample gave something to the other side, if only a request.
pub(crate) fn sends(flow: &Flow) -> bool {
    flow.bytes_out > 0 || !flow.messages.is_empty()
}

/// Whether neither names nor web pages were asked for: a protocol of its own, known or not.
pub(crate) fn is_plain(flow: &Flow) -> bool {
    !matches!(flow.protocol, Protocol::Dns | Protocol::Http)
}

/// Whether a body, or raw bytes, went out.
pub(crate) fn sends_content(flow: &Flow) -> bool {
    match flow.protocol {
        Protocol::Http => flow.messages.iter().any(|message| message.body_bytes > 0),
        Protocol::Dns => false,
        _ => flow.bytes_out > 0,
    }
}

/// Characters of a URL that clients write by themselves.
const LONG_URL: usize = 200;
/// Bytes of all header values that clients write by themselves, signatures included.
const LONG_HEADERS: usize = 2_048;

/// Whether a secret, if only encrypted, could have gone along: in a body, raw bytes, or a request longer than
/// clients ask by themselves.
pub(crate) fn has_room(flow: &Flow) -> bool {
    if flow.protocol != Protocol::Http || flow.messages.is_empty() || flow.truncated {
        return sends(flow);
    }
    sends_content(flow)
        || flow.messages.iter().any(|message| {
            let headers: usize = message.headers.iter().map(|(_, value)| value.len()).sum();
            message.summary.len() > LONG_URL || headers > LONG_HEADERS
        })
}

/// Whether the sample asked for content and got an answer.
pub(crate) fn downloads(flow: &Flow) -> bool {
    flow.bytes_in > 0
        && flow.messages.iter().any(|message| {
            method(message) == "GET" && message.answer.lossy().trim_start().starts_with('2')
        })
}

/// The request's method in capitals; empty for what is no request.
pub(crate) fn method(message: &FlowMessage) -> String {
    let summary = message.summary.lossy();
    let word = summary.split(' ').next().unwrap_or_default();
    word.to_ascii_uppercase()
}

/// The request's URL; empty for what is no request.
pub(crate) fn url(message: &FlowMessage) -> String {
    let summary = message.summary.lossy();
    summary.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The path of the request's URL, without the query.
pub(crate) fn url_path(message: &FlowMessage) -> String {
    let url = url(message);
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    path.split(['?', '#']).next().unwrap_or("/").to_owned()
}

/// Names asked of the name service, as the sample wrote them.
pub(crate) fn queried_names(flow: &Flow) -> impl Iterator<Item = String> + '_ {
    flow.messages.iter().filter_map(|message| {
        let summary = message.summary.lossy();
        let name = summary.split_whitespace().nth(1)?;
        Some(name.trim_end_matches('.').to_owned())
    })
}

/// Whether the peer is a cloud metadata service.
pub(crate) fn is_metadata_service(flow: &Flow) -> bool {
    if flow.protocol == Protocol::Dns {
        return false;
    }
    let named = flow
        .resolved_name
        .iter()
        .chain(&flow.sni)
        .any(|name| METADATA_NAMES.contains(&host_name(&name.lossy()).as_str()));
    named || is_metadata_address(flow.destination.ip())
}

pub(crate) fn is_metadata_address(ip: IpAddr) -> bool {
    METADATA_ADDRESSES
        .iter()
        .any(|known| known.parse() == Ok(ip))
}
