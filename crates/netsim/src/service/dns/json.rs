//! Queries and answers as web services write them.

use std::str::FromStr;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use serde_json::json;

/// The query for a name; `kind` is written out or a number. `None` when they are no such things.
pub(in crate::service) fn query(name: &str, kind: &str) -> Option<Vec<u8>> {
    let kind = match kind.parse::<u16>() {
        Ok(number) => RecordType::from(number),
        Err(_) => RecordType::from_str(&kind.to_ascii_uppercase()).ok()?,
    };
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    let mut message = Message::query();
    message.add_query(Query::query(name, kind));
    message.to_vec().ok()
}

/// An answer as JSON.
pub(in crate::service) fn in_json(message: &[u8]) -> Option<String> {
    let message = Message::from_vec(message).ok()?;
    let questions: Vec<_> = message
        .queries
        .iter()
        .map(|query| json!({"name": query.name.to_ascii(), "type": u16::from(query.query_type)}))
        .collect();
    let answers: Vec<_> = message
        .answers
        .iter()
        .map(|record| {
            json!({"name": record.name.to_ascii(), "type": u16::from(record.record_type()), "TTL": record.ttl,
                   "data": record.data.to_string()})
        })
        .collect();
    let reply = json!({
        "Status": u16::from(message.metadata.response_code), "TC": false, "RD": true, "RA": true, "AD": false, "CD": false,
        "Question": questions, "Answer": answers,
    });
    Some(reply.to_string())
}
