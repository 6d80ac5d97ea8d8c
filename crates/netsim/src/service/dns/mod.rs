//! Name service over a stream; [`answer`] is the engine, used for datagrams too.

mod engine;
mod json;
mod records;

use apa_model::{Hostile, Protocol};
use tokio::io::AsyncWriteExt;

use super::raw::record as record_raw;
use super::{Guess, Next, Service, Serving, Talk};
use crate::record::{Held, Record};
use crate::shared::{Bound, Shared};
use crate::wire::Wire;

pub(crate) use engine::{Answered, answer};
pub(super) use json::{in_json, query};

pub(crate) struct DnsOverTcp;

impl Service for DnsOverTcp {
    fn layer(&self) -> &'static str {
        "dns"
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Dns)
    }

    fn recognises(&self, first: &[u8], port: u16) -> Guess {
        // 853 is the same inside TLS. A header is 12 bytes, and a query has the response bit clear.
        let named = matches!(port, 53 | 853);
        match first {
            [high, low, ..] if u16::from_be_bytes([*high, *low]) < 12 => Guess::No,
            [_, _, _, _, flags, ..] if named && flags & 0x80 == 0 => Guess::Yes,
            [_, _, _, _, _, ..] => Guess::No,
            _ if named => Guess::Maybe,
            _ => Guess::No,
        }
    }

    fn serve<'a>(&'a self, mut wire: Wire, talk: &'a mut Talk) -> Serving<'a> {
        Box::pin(async move {
            while let Some(query) = frame(&mut wire).await {
                let answered = answer(&query, &talk.shared.names, false);
                note(&talk.shared, &talk.record, &answered);
                if answered.malformed {
                    let mut held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
                    held.push(&query);
                    record_raw(talk, held, "dns").await;
                }
                let Some(reply) = answered.reply else { break };
                let length = u16::try_from(reply.len()).unwrap_or(u16::MAX);
                wire.write_all(&[&length.to_be_bytes()[..], &reply].concat())
                    .await?;
                wire.flush().await?;
            }
            Ok(Next::Done)
        })
    }
}

/// The next message of a stream; what is left of a stream cut short counts as one.
async fn frame(wire: &mut Wire) -> Option<Vec<u8>> {
    loop {
        let ahead = wire.ahead();
        if let [high, low, rest @ ..] = ahead {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if rest.len() >= length {
                let message = rest[..length].to_vec();
                wire.consume(2 + length);
                return Some(message);
            }
        }
        if !matches!(wire.fill().await, Ok(1..)) {
            let rest = wire.ahead().to_vec();
            wire.consume(rest.len());
            return (!rest.is_empty()).then_some(rest);
        }
    }
}

/// Records a query with its answer, and what may be hidden in the name.
pub(crate) fn note(shared: &Shared, record: &std::sync::Arc<Record>, answered: &Answered) {
    if answered.unremembered {
        shared.hit(Bound::Names, record.phase());
    }
    if let Some(message) = &answered.message {
        record.message(shared, message.clone());
    }
    if answered.name.is_empty() {
        return;
    }
    if !shared.labels.note(&answered.name, record) {
        shared.hit(Bound::Decoding, record.phase());
    }
    // Written out, and with its labels joined.
    let written = [answered.name.join(&b'.'), answered.name.concat()].join(&b' ');
    record.search_now(shared, &written, "dns.name");
}

/// A name as text.
fn dotted(labels: &[Vec<u8>]) -> Hostile {
    Hostile::new(if labels.is_empty() {
        b".".to_vec()
    } else {
        labels.join(&b'.')
    })
}
