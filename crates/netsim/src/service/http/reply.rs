//! Answers as they go over the wire.

use super::super::Talk;
use super::head::Head;
use crate::answers::{Act, Answer, Ask, EVENT_STREAM, reason};
use crate::{Clock, answers};

/// An answer before it is written.
pub(super) struct Reply {
    answer: Answer,
    /// The value that agrees to a WebSocket.
    accept: Option<String>,
}

impl Reply {
    fn of(answer: Answer) -> Self {
        Self {
            answer,
            accept: None,
        }
    }

    pub(super) fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::of(Answer::new(status, Some(kind), body))
    }

    /// Whether more may follow the body: the connection ends it.
    pub(super) fn goes_on(&self) -> bool {
        self.answer.content_type.as_deref() == Some(EVENT_STREAM)
    }

    /// For a request that asks for a WebSocket, whose key `accept` was made of.
    pub(super) fn switching(accept: &str) -> Self {
        Self {
            accept: Some(accept.to_owned()),
            ..Self::of(Answer::new(101, None, []))
        }
    }

    /// For a tunnel.
    pub(super) fn connected() -> Self {
        Self::of(Answer::new(200, None, []))
    }

    /// For a request that cannot be served.
    pub(super) fn error(status: u16) -> Self {
        Self::of(Answer::error(status))
    }

    /// For a valid request.
    pub(super) fn to(head: &Head, talk: &Talk, body: &[u8]) -> Self {
        let method = String::from_utf8_lossy(&head.method);
        let target = String::from_utf8_lossy(head.origin_form());
        let ask = ask(head, talk, &method, &target, body);
        Self::of(talk.shared.answer(&ask))
    }

    /// What happens instead of writing it.
    pub(super) fn act(&self) -> Act {
        self.answer.act
    }

    /// How long it is to be waited for.
    pub(super) fn delay(&self) -> std::time::Duration {
        self.answer.delay
    }

    /// `200 text/html 312 bytes`.
    pub(super) fn in_words(&self) -> String {
        let Answer {
            status,
            body,
            content_type,
            ..
        } = &self.answer;
        let rule = match &self.answer.rule[..] {
            "" => String::new(),
            rule => format!(" ({rule})"),
        };
        match self.act() {
            Act::Reset => return format!("none: reset{rule}"),
            Act::Silent => return format!("none: silence{rule}"),
            Act::Answer | Act::Pass => {}
        }
        let kind = content_type.as_deref().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        match body.len() {
            0 => format!("{status} {}{rule}", reason(*status)),
            length => format!("{status} {kind} {length} bytes{rule}"),
        }
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self, without_body: bool, close: bool, clock: Clock) -> Vec<u8> {
        let Answer { status, body, .. } = &self.answer;
        let mut out = format!("HTTP/1.1 {status} {}\r\n", reason(*status));
        let given = |name: &str| {
            let mut headers = self.answer.headers.iter();
            headers.any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let mut line = |name: &str, value: &str| out.push_str(&format!("{name}: {value}\r\n"));
        if !given("server") {
            line("Server", "nginx");
        }
        if !given("date") {
            line("Date", &clock.http_date());
        }
        if let Some(accept) = &self.accept {
            line("Upgrade", "websocket");
            line("Connection", "Upgrade");
            line("Sec-WebSocket-Accept", accept);
            out.push_str("\r\n");
            return out.into_bytes();
        }
        for (name, value) in &self.answer.headers {
            line(name, value);
        }
        if let Some(kind) = &self.answer.content_type {
            line("Content-Type", kind);
        }
        let tunnel = *status == 200
            && self.answer.content_type.is_none()
            && body.is_empty()
            && self.answer.rule.is_empty();
        if self.goes_on() {
            line("Cache-Control", "no-cache");
        } else if *status != 204 && *status != 304 && !tunnel {
            line("Content-Length", &body.len().to_string());
        }
        if close || self.goes_on() {
            line("Connection", "close");
        }
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        if !without_body {
            out.extend_from_slice(body);
        }
        out
    }
}

/// The request as rules see it.
pub(super) fn ask<'a>(
    head: &'a Head,
    talk: &Talk,
    method: &'a str,
    target: &'a str,
    body: &'a [u8],
) -> Ask<'a> {
    let (sni, name, source) = talk
        .record
        .with(|flow| (flow.sni.clone(), flow.resolved_name.clone(), flow.source));
    let mut ask = Ask::new(method, target, &head.headers, body)
        .named(String::from_utf8_lossy(&head.host(talk)));
    for other in [sni, name].into_iter().flatten() {
        ask = ask.named(other.lossy());
    }
    ask = ask.named(answers::address(talk.destination.ip()));
    ask.secure = talk.secure;
    ask.port = talk.destination.port();
    ask.phase = talk.shared.phase();
    ask.source = Some(source.ip());
    ask
}
