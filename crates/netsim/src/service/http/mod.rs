//! HTTP/1.0 and 1.1 with any method, kept as it was sent.

mod body;
mod fields;
mod head;
mod publish;
mod reply;
mod websocket;

use std::io;
use std::sync::Arc;

use apa_model::{FlowMessage, Hostile, Protocol};
use tokio::io::AsyncWriteExt;

use super::raw::{record as record_raw, sink};
use super::{Guess, Next, Service, Serving, Talk};
use crate::answers::Act;
use crate::record::Held;
use crate::wire::Wire;

use body::Framing;
use head::{Head, Parsed};
use reply::Reply;

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
    /// Nothing is said, whatever is sent.
    Silence,
}

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
        match exchange(&mut wire, talk, head).await? {
            After::Keep => {}
            After::Close => return close(wire).await,
            After::Tunnel => return Ok(Next::Inner(wire)),
            After::Silence => {
                let held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
                sink(wire, talk, held).await;
                return Ok(Next::Done);
            }
            After::WebSocket => {
                websocket::sink(wire, talk).await;
                return Ok(Next::Done);
            }
        }
    }
}

/// Ends our side and reads what the client still sends: closing with bytes unread would reset the connection and take
/// the answer with it.
async fn close(mut wire: Wire) -> io::Result<Next> {
    wire.shutdown().await?;
    let patience = std::time::Duration::from_millis(500);
    let rest = async {
        loop {
            wire.consume(wire.ahead().len());
            if !matches!(wire.fill().await, Ok(1..)) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(patience, rest).await;
    Ok(Next::Done)
}

/// Answers bytes that are no valid request, and keeps them as they came.
async fn refuse(mut wire: Wire, talk: &mut Talk, status: u16) -> io::Result<()> {
    let mut held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
    held.push(wire.ahead());
    wire.consume(wire.ahead().len());
    let refusal = Reply::error(status).bytes(false, true, talk.shared.config.clock);
    let answered = wire.write_all(&refusal).await;
    if answered.is_ok() && wire.shutdown().await.is_ok() {
        sink(wire, talk, held).await;
        return Ok(());
    }
    record_raw(talk, held, "http").await;
    answered
}

/// Reads one request, records it, answers it, and searches it for baits.
async fn exchange(wire: &mut Wire, talk: &mut Talk, head: Head) -> io::Result<After> {
    let framing = match head.framing() {
        Ok(framing) => framing,
        Err(status) => {
            let refusal = Reply::error(status).bytes(false, true, talk.shared.config.clock);
            wire.write_all(&refusal).await?;
            record(talk, &head, None, status.to_string()).await;
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
    let (reply, after) = choose(talk, &head, framing, &body);
    let answer = if complete {
        reply.in_words()
    } else {
        "none: the request was cut short".to_owned()
    };
    record(talk, &head, Some(&body), answer).await;
    publish::note(talk, &head, &body).await;
    if !complete {
        search(talk, &head, body).await;
        return Ok(After::Close);
    }
    let given = give(wire, talk, &head, &reply, &after).await;
    search(talk, &head, body).await;
    given?;
    if let After::Tunnel = after {
        talk.host = Some(head.target_host());
    }
    Ok(after)
}

/// The answer, and what becomes of the connection after it.
fn choose(talk: &Talk, head: &Head, framing: Framing, body: &Held) -> (Reply, After) {
    if let Some(accept) = websocket::accept(head).filter(|_| framing == Framing::None) {
        return (Reply::switching(&accept), After::WebSocket);
    }
    if head.method.eq_ignore_ascii_case(b"CONNECT") {
        return (Reply::connected(), After::Tunnel);
    }
    let reply = Reply::to(head, talk, body.as_slice());
    let after = match reply.act() {
        Act::Silent => After::Silence,
        _ if head.keeps_alive() => After::Keep,
        _ => After::Close,
    };
    (reply, after)
}

/// Writes the answer, unless something else is to happen.
async fn give(
    wire: &mut Wire,
    talk: &Talk,
    head: &Head,
    reply: &Reply,
    after: &After,
) -> io::Result<()> {
    talk.shared.wait(reply.delay()).await;
    match reply.act() {
        Act::Silent => return Ok(()),
        Act::Reset => {
            talk.record.reset();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Act::Answer | Act::Pass => {}
    }
    let close = matches!(after, After::Close);
    let bytes = reply.bytes(head.method == b"HEAD", close, talk.shared.config.clock);
    wire.write_all(&bytes).await?;
    wire.flush().await
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
