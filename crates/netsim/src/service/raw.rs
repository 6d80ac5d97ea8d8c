//! Takes whatever comes and answers nothing.

use std::sync::Arc;

use apa_model::{FlowMessage, Hostile, Protocol};

use super::{Guess, Next, Service, Serving, Talk};
use crate::record::Held;
use crate::wire::Wire;

/// Bytes of a stream shown in its summary.
const SHOWN: usize = 120;

pub(crate) struct Raw;

impl Service for Raw {
    fn layer(&self) -> &'static str {
        "raw"
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Raw)
    }

    fn recognises(&self, _: &[u8], _: u16) -> Guess {
        Guess::Yes
    }

    fn serve<'a>(&'a self, wire: Wire, talk: &'a mut Talk) -> Serving<'a> {
        Box::pin(async move {
            let held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
            sink(wire, talk, held).await;
            Ok(Next::Done)
        })
    }
}

/// Reads a stream to its end, after what was already taken from it, and records it.
pub(super) async fn sink(mut wire: Wire, talk: &mut Talk, mut held: Held) {
    loop {
        held.push(wire.ahead());
        wire.consume(wire.ahead().len());
        if !matches!(wire.fill().await, Ok(1..)) {
            break;
        }
    }
    record(talk, held, "raw").await;
}

/// Records raw bytes: as a blob, as a message, and for what baits are in them.
pub(super) async fn record(talk: &Talk, held: Held, origin: &'static str) {
    if held.total == 0 {
        return;
    }
    let held = Arc::new(held);
    let blob = talk.record.keep(&talk.shared, &held).await;
    talk.record.with(|flow| flow.sent_blob = blob);
    talk.record.message(
        &talk.shared,
        FlowMessage {
            summary: Hostile::from(held.as_slice()).shortened(SHOWN),
            headers: Vec::new(),
            body: None,
            body_bytes: held.total,
            answer: Hostile::default(),
        },
    );
    talk.record.search(&talk.shared, held, origin).await;
}
