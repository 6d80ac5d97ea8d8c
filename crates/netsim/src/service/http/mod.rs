//! HTTP/1.0 and 1.1 with any method, kept as it was sent.

mod body;
mod doh;
mod fields;
mod h2;
mod head;
mod reply;
mod websocket;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use apa_model::{FlowMessage, Hostile, Protocol};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::raw::{record as record_raw, sink};
use super::{Guess, Next, Service, Serving, Talk};
use crate::record::Held;
use crate::wire::Wire;

use body::Framing;
use head::{Head, Parsed};
use reply::Reply;

pub(super) use h2::Http2;
pub use reply::STAGE_TWO_MARKER;
pub(super) use reply::sample_file;

pub(crate) struct Http;

impl Service for Http {
    fn layer(&self) -> &'static str {
        "http"
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        head::recognise(first)
    }

    fn serve<'a>(&'a self, wire: Wire, talk: &'a mut Talk) -> Serving<'a> {
        Box::pin(serve(wire, talk))
    }
}

/// How one request leaves the connection.
enum After {
    Keep,
    Close,
    Tunnel,
    WebSocket,
    Events,
}

/// What answers a request whose end did not come.
const CUT_SHORT: &str = "none: the request was cut short";
/// How often a stream of events shows that it is alive.
const EVENTS: Duration = Duration::from_secs(15);

async fn serve(mut wire: Wire, talk: &mut Talk) -> io::Result<Next> {
    loop {
        let head = match head::read(&mut wire).await {
            Parsed::Head(head) => head,
            Parsed::End => return Ok(Next::Done),
            Parsed::Bad(status) => {
                refuse(wire, talk, status).await?;
                return Ok(Next::Done);
            }
        };
        match exchange(&mut wire, talk, &head).await? {
            After::Keep => {}
            After::Close => {
                wire.close().await?;
                return Ok(Next::Done);
            }
            After::Tunnel => return Ok(Next::Inner(wire)),
            After::WebSocket => {
                websocket::converse(wire, talk, &head).await?;
                return Ok(Next::Done);
            }
            After::Events => {
                events(wire).await?;
                return Ok(Next::Done);
            }
        }
    }
}

/// Answers bytes that are no valid request, and keeps them as they came.
async fn refuse(mut wire: Wire, talk: &mut Talk, status: u16) -> io::Result<()> {
    let mut held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
    held.push(wire.ahead());
    wire.consume(wire.ahead().len());
    let answered = wire
        .write_all(&Reply::error(status).bytes(false, true))
        .await;
    if answered.is_ok() && wire.shutdown().await.is_ok() {
        sink(wire, talk, held).await;
        return Ok(());
    }
    record_raw(talk, held, "http").await;
    answered
}

/// Reads one request, records it, answers it, and searches it for baits.
async fn exchange(wire: &mut Wire, talk: &mut Talk, head: &Head) -> io::Result<After> {
    let framing = match head.framing() {
        Ok(framing) => framing,
        Err(status) => {
            wire.write_all(&Reply::error(status).bytes(false, true))
                .await?;
            record(talk, head, None, status.to_string()).await;
            return Ok(After::Close);
        }
    };
    if head.expects_continue() && framing != Framing::None {
        wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        wire.flush().await?;
    }
    let mut held = Held::new(&talk.shared, talk.shared.config.max_body_bytes);
    let complete = body::read(wire, framing, &mut held).await;
    let body = Arc::new(held);
    let tunnel = head.method.eq_ignore_ascii_case(b"CONNECT");
    let accept = websocket::accept(head).filter(|_| framing == Framing::None);
    let reply = if let Some(accept) = &accept {
        Reply::switching(accept)
    } else if tunnel {
        Reply::connected()
    } else {
        reply_to(head, &body, talk)
    };
    let answer = if complete {
        reply.in_words()
    } else {
        CUT_SHORT.to_owned()
    };
    record(talk, head, Some(&body), answer).await;
    if complete {
        let close = !head.keeps_alive();
        let bytes = reply.bytes(head.method == b"HEAD", close && !tunnel);
        let written = wire.write_all(&bytes).await;
        let flushed = wire.flush().await;
        search(talk, head, body).await;
        written.and(flushed)?;
        if accept.is_some() {
            return Ok(After::WebSocket);
        }
        if tunnel {
            talk.host = Some(head.target_host());
            talk.inner_port = head.target_port();
            return Ok(After::Tunnel);
        }
        return Ok(match close {
            _ if reply.goes_on() => After::Events,
            true => After::Close,
            false => After::Keep,
        });
    }
    search(talk, head, body).await;
    Ok(After::Close)
}

/// The answer to a valid request: a name service's, if it asks for a name, or a web server's.
fn reply_to(head: &Head, body: &Held, talk: &Talk) -> Reply {
    doh::answer(head, body.as_slice(), talk).unwrap_or_else(|| Reply::to(head, talk))
}

/// Keeps a stream of events open until the client has enough.
async fn events(mut wire: Wire) -> io::Result<()> {
    loop {
        wire.consume(wire.ahead().len());
        match timeout(EVENTS, wire.fill()).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return Ok(()),
            Err(_) => {
                wire.write_all(b": alive\n\n").await?;
                wire.flush().await?;
            }
        }
    }
}

async fn record(talk: &Talk, head: &Head, body: Option<&Arc<Held>>, answer: String) {
    let digest = match body {
        Some(body) => talk.record.keep(&talk.shared, body).await,
        None => None,
    };
    let message = FlowMessage {
        summary: head.summary(talk),
        headers: head
            .headers
            .iter()
            .map(|(n, v)| (Hostile::from(n.as_slice()), Hostile::from(v.as_slice())))
            .collect(),
        body: digest,
        body_bytes: body.map_or(0, |body| body.total),
        answer: answer.into(),
    };
    talk.record.message(&talk.shared, message);
}

/// Looks for baits in the request's target, header lines and body.
async fn search(talk: &Talk, head: &Head, body: Arc<Held>) {
    let mut lines = Vec::new();
    for (name, value) in &head.headers {
        lines.extend_from_slice(name);
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value);
        lines.push(0);
    }
    let fields = fields::of(&head.target, body.as_slice());
    let host = head.host(talk);
    talk.shared
        .requests
        .note_fields(&host, fields, &talk.record);
    for (bytes, origin) in [
        (Held::of(&talk.shared, &head.target), "http.target"),
        (Held::of(&talk.shared, &lines), "http.headers"),
        (body, "http.body"),
    ] {
        talk.record.search(&talk.shared, bytes, origin).await;
    }
}
