//! HTTP/2, inside TLS or not: the same requests and answers in other clothes.

use std::io;
use std::sync::Arc;

use apa_model::{FlowMessage, Protocol};
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::task::JoinSet;

use super::super::{Guess, Next, Service, Serving, Talk};
use super::head::Head;
use crate::answers::Act;
use crate::record::Held;
use crate::wire::Wire;

/// What a client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bounds of one connection: requests at once, header bytes of one, requests taken back before we saw them.
const STREAMS: u32 = 64;
const HEADERS: u32 = 64 << 10;
const TAKEN_BACK: usize = 20;
/// Bytes a client may send ahead.
const WINDOW: u32 = 1 << 20;

pub(crate) struct Http2;

impl Service for Http2 {
    fn layer(&self) -> &'static str {
        "h2"
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        match (first.starts_with(PREFACE), PREFACE.starts_with(first)) {
            (true, _) => Guess::Yes,
            (_, true) => Guess::Maybe,
            _ => Guess::No,
        }
    }

    fn serve<'a>(&'a self, wire: Wire, talk: &'a mut Talk) -> Serving<'a> {
        Box::pin(async move {
            if let Err(error) = serve(wire, talk).await {
                note_broken(talk, &error);
            }
            Ok(Next::Done)
        })
    }
}

async fn serve(wire: Wire, talk: &Talk) -> Result<(), h2::Error> {
    let mut connection = Builder::new()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .max_pending_accept_reset_streams(TAKEN_BACK)
        .max_concurrent_reset_streams(TAKEN_BACK)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .handshake::<_, Bytes>(wire)
        .await?;
    let talk = Arc::new(talk.clone());
    let mut requests = JoinSet::new();
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        while requests.try_join_next().is_some() {}
        let talk = talk.clone();
        requests.spawn(async move {
            if let Err(error) = exchange(&talk, request, respond).await {
                tracing::debug!(%error, "a simulated request was broken off");
            }
        });
    }
    // What came with the connection's end is recorded.
    while requests.join_next().await.is_some() {}
    Ok(())
}

async fn exchange(
    talk: &Talk,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (parts, mut body) = request.into_parts();
    let head = Head::of_parts(&parts);
    let mut held = Held::new(&talk.shared, talk.shared.config.max_body_bytes);
    let mut complete = true;
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else {
            complete = false;
            break;
        };
        held.push(&piece);
        body.flow_control().release_capacity(piece.len())?;
    }
    let body = Arc::new(held);
    let reply = super::reply_to(&head, &body, talk);
    let answer = if complete {
        reply.in_words()
    } else {
        super::CUT_SHORT.to_owned()
    };
    super::record(talk, &head, Some(&body), answer).await;
    super::publish::note(talk, &head, &body).await;
    talk.shared.wait(reply.delay()).await;
    let answered = match reply.act() {
        // What is not answered on one stream is broken off on it alone.
        Act::Reset | Act::Silent => {
            respond.send_reset(h2::Reason::CANCEL);
            Ok(())
        }
        _ if !complete => Ok(()),
        _ => {
            let clock = talk.shared.config.clock;
            let bytes = reply.bytes(head.method == b"HEAD", false, clock);
            answer_with(&bytes, &mut respond).await
        }
    };
    super::search(talk, &head, body).await;
    answered
}

/// Sends what HTTP/1.1 would have sent.
async fn answer_with(written: &[u8], respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut lines);
    let length = match head.parse(written) {
        Ok(httparse::Status::Complete(length)) => length,
        // An answer of ours that is none leaves the client without one.
        _ => return Ok(()),
    };
    let mut response = Response::builder().status(head.code.unwrap_or(200));
    for line in head.headers.iter() {
        let connection = ["connection", "transfer-encoding", "upgrade", "keep-alive"];
        if !connection
            .iter()
            .any(|name| line.name.eq_ignore_ascii_case(name))
        {
            response = response.header(line.name, line.value);
        }
    }
    let Ok(response) = response.body(()) else {
        return Ok(());
    };
    let body = Bytes::copy_from_slice(&written[length..]);
    let mut stream = respond.send_response(response, body.is_empty())?;
    if body.is_empty() {
        Ok(())
    } else {
        send(&mut stream, body).await
    }
}

/// Sends a body as the client makes room for it.
async fn send(stream: &mut SendStream<Bytes>, mut body: Bytes) -> Result<(), h2::Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(room) = room.transpose()? else {
            return Ok(());
        };
        let piece = body.split_to(room.min(body.len()));
        stream.send_data(piece, body.is_empty())?;
    }
    Ok(())
}

/// A client that broke the protocol, or was sent away for flooding, is recorded.
fn note_broken(talk: &Talk, error: &h2::Error) {
    if error
        .get_io()
        .is_some_and(|error| error.kind() != io::ErrorKind::InvalidData)
    {
        return;
    }
    talk.record.with(|flow| flow.truncated = true);
    let message = FlowMessage {
        summary: "(broken HTTP/2)".into(),
        headers: Vec::new(),
        body: None,
        body_bytes: 0,
        answer: error.to_string().into(),
    };
    talk.record.message(&talk.shared, message);
}
