//! HTTP/1.0 and 1.1 with any method, kept as it was sent.

mod body;
mod doh;
mod fields;
mod h2;
mod head;
mod publish;
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
use crate::answers::Act;
use crate::record::Held;
use crate::wire::Wire;

use body::Framing;
use head::{Head, Parsed};
use reply::Reply;

pub(super) use h2::Http2;

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
            After::Silence => {
                let held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
                sink(wire, talk, held).await;
                return Ok(Next::Done);
            }
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
async fn exchange(wire: &mut Wire, talk: &mut Talk, head: &Head) -> io::Result<After> {
    let framing = match head.framing() {
        Ok(framing) => framing,
        Err(status) => {
            let refusal = Reply::error(status).bytes(false, true, talk.shared.config.clock);
            wire.write_all(&refusal).await?;
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
    let (reply, after) = choose(talk, head, framing, &body);
    let answer = if complete {
        reply.in_words()
    } else {
        CUT_SHORT.to_owned()
    };
    record(talk, head, Some(&body), answer).await;
    publish::note(talk, head, &body).await;
    if !complete {
        search(talk, head, body).await;
        return Ok(After::Close);
    }
    let given = give(wire, talk, head, &reply, &after).await;
    search(talk, head, body).await;
    given?;
    if let After::Tunnel = after {
        talk.host = Some(head.target_host());
        talk.inner_port = head.target_port();
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
    let reply = reply_to(head, body, talk);
    let after = match reply.act() {
        Act::Silent => After::Silence,
        _ if reply.goes_on() => After::Events,
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

/// The answer to a valid request: a name service's, if it asks for a name, or a web server's.
fn reply_to(head: &Head, body: &Held, talk: &Talk) -> Reply {
    doh::answer(head, body.as_slice(), talk)
        .unwrap_or_else(|| Reply::to(head, talk, body.as_slice()))
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
