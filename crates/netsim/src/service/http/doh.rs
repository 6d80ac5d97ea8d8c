//! Names asked for by HTTP: as messages of the name service, or as JSON.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

use super::super::{Talk, dns};
use super::head::Head;
use super::reply::Reply;

const MESSAGE: &str = "application/dns-message";
const JSON: &str = "application/dns-json";
/// With or without the end that the standard leaves out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The answer to a request that asks for a name; `None` for any other.
pub(super) fn answer(head: &Head, body: &[u8], talk: &Talk) -> Option<Reply> {
    let (query, json) = asked(head, body)?;
    let answered = dns::answer(&query, &talk.shared.names, false);
    dns::note(&talk.shared, &talk.record, &answered);
    let reply = match (answered.reply, json) {
        (Some(message), true) => Reply::new(200, JSON, dns::in_json(&message)?),
        (Some(message), false) => Reply::new(200, MESSAGE, message),
        (None, _) => Reply::error(400),
    };
    Some(reply)
}

/// The query in a request, and whether JSON is wanted for an answer.
fn asked(head: &Head, body: &[u8]) -> Option<(Vec<u8>, bool)> {
    let is = |line: &str, kind: &str| {
        head.header(line)
            .is_some_and(|value| value.starts_with(kind.as_bytes()))
    };
    if is("content-type", MESSAGE) {
        return Some((body.to_vec(), false));
    }
    let by_path = [&b"/dns-query"[..], b"/resolve"]
        .iter()
        .any(|end| head.path().ends_with(end));
    if !by_path && !is("accept", JSON) && !is("accept", MESSAGE) {
        return None;
    }
    if let Some(text) = value(head.query(), "dns") {
        return Some((LENIENT.decode(text).ok()?, false));
    }
    let name = String::from_utf8(value(head.query(), "name")?).ok()?;
    let kind = value(head.query(), "type").and_then(|kind| String::from_utf8(kind).ok());
    Some((dns::query(&name, kind.as_deref().unwrap_or("A"))?, true))
}

/// One value of a query.
fn value(query: &[u8], name: &str) -> Option<Vec<u8>> {
    let pairs = query.split(|b| *b == b'&');
    pairs
        .filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .map(|value| percent_decode(value).collect())
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_whole_name() {
        assert_eq!(
            value(b"xname=1&name=a%2Eb&type=", "name"),
            Some(b"a.b".to_vec())
        );
        assert_eq!(value(b"name", "name"), None);
    }
}
