//! A conversation in commands: what most services are written on.

use std::future::Future;
use std::io;
use std::sync::Arc;

use apa_model::{FlowMessage, Hostile, Protocol};
use tokio::io::AsyncWriteExt;

use super::{Guess, Next, Service, Serving, Talk, tls};
use crate::record::Held;
use crate::wire::Wire;

/// Bytes of a line. What is longer is cut, and the flow says so.
const LINE: usize = 8 << 10;
/// Bytes of a binary message that is read as a whole.
pub(super) const MESSAGE: usize = 1 << 20;

/// A service that answers commands. What the client sent is kept and searched for baits without its doing.
pub(crate) trait Dialogue: Sync {
    /// Name of its layer in a flow's record.
    fn name(&self) -> &'static str;

    /// What a flow that ends with it speaks.
    fn speaks(&self) -> Protocol;

    /// Whether a stream that starts with `first` on `port` is its own. Must not panic on any bytes.
    fn recognises(&self, first: &[u8], port: u16) -> Guess;

    /// Whether a server speaks first on this port.
    fn greets(&self, _port: u16, _secure: bool) -> bool {
        false
    }

    /// Talks to the client until one of both has had enough.
    fn converse(&self, session: &mut Session<'_>) -> impl Future<Output = io::Result<()>> + Send;
}

impl<T: Dialogue> Service for T {
    fn layer(&self) -> &'static str {
        self.name()
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(self.speaks())
    }

    fn recognises(&self, first: &[u8], port: u16) -> Guess {
        Dialogue::recognises(self, first, port)
    }

    fn greets(&self, port: u16, secure: bool) -> bool {
        Dialogue::greets(self, port, secure)
    }

    fn serve<'a>(&'a self, wire: Wire, talk: &'a mut Talk) -> Serving<'a> {
        Box::pin(async move {
            let held = Held::new(&talk.shared, talk.shared.config.max_flow_bytes);
            let mut session = Session { wire, talk, held };
            let ended = self.converse(&mut session).await;
            let closed = match ended {
                Ok(()) => session.wire.close().await,
                Err(error) => Err(error),
            };
            session.finish(self.name()).await;
            closed.map(|()| Next::Done)
        })
    }
}

/// One side of a conversation: ours.
pub(crate) struct Session<'t> {
    wire: Wire,
    pub(super) talk: &'t mut Talk,
    /// What the client sent in the clear, bodies aside.
    held: Held,
}

/// One command with its answer, as it is recorded.
#[derive(Default)]
pub(super) struct Said<'s> {
    /// The command in a line.
    pub(super) command: &'s [u8],
    /// What is worth a field of its own: credentials, names.
    pub(super) fields: Vec<(&'static str, Vec<u8>)>,
    /// What it carried.
    pub(super) body: Option<Held>,
    /// Our answer; its first line is recorded.
    pub(super) answer: &'s str,
}

impl Session<'_> {
    /// The next line without its end; `None` at the end of the stream.
    pub(super) async fn line(&mut self) -> Option<Vec<u8>> {
        self.delimited(b'\n').await.map(|mut line| {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            line
        })
    }

    /// What comes before the next `end`, cut at the bound; what a stream ends with counts as well.
    pub(super) async fn delimited(&mut self, end: u8) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let mut cut = false;
        loop {
            let ahead = self.wire.ahead();
            let found = ahead.iter().position(|b| *b == end);
            let piece = &ahead[..found.unwrap_or(ahead.len())];
            let room = LINE - line.len();
            cut |= piece.len() > room;
            line.extend_from_slice(&piece[..piece.len().min(room)]);
            let taken = piece.len() + usize::from(found.is_some());
            self.held.push(&ahead[..taken]);
            self.wire.consume(taken);
            if found.is_some() || !matches!(self.wire.fill().await, Ok(1..)) {
                if cut {
                    self.talk.record.with(|flow| flow.truncated = true);
                }
                return (found.is_some() || !line.is_empty()).then_some(line);
            }
        }
    }

    /// What is there now without being taken; waits for at least `count` bytes, `None` when they do not come.
    pub(super) async fn peek(&mut self, count: usize) -> Option<&[u8]> {
        while self.wire.ahead().len() < count {
            if !matches!(self.wire.fill().await, Ok(1..)) {
                return None;
            }
        }
        Some(self.wire.ahead())
    }

    /// Exactly `count` bytes; `None` when they do not come, or are more than a message may have.
    pub(super) async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        if count > MESSAGE {
            self.talk.record.with(|flow| flow.truncated = true);
            return None;
        }
        let taken = self.peek(count).await?[..count].to_vec();
        self.held.push(&taken);
        self.wire.consume(count);
        Some(taken)
    }

    /// Whatever has come, or comes next; `None` at the end.
    pub(super) async fn some(&mut self) -> Option<Vec<u8>> {
        let count = self.peek(1).await?.len();
        self.take(count.min(MESSAGE)).await
    }

    /// Moves `length` bytes of content into `body`; false when the stream ends before.
    pub(super) async fn content(&mut self, mut length: u64, body: &mut Held) -> bool {
        while length > 0 {
            if self.wire.ahead().is_empty() && !matches!(self.wire.fill().await, Ok(1..)) {
                return false;
            }
            let left = usize::try_from(length).unwrap_or(usize::MAX);
            let count = left.min(self.wire.ahead().len());
            body.push(&self.wire.ahead()[..count]);
            self.wire.consume(count);
            length -= count as u64;
        }
        true
    }

    /// A line of content, which is not kept among the commands: with its end, or cut at a bound of 64 KiB.
    pub(super) async fn content_line(&mut self) -> Option<Vec<u8>> {
        loop {
            let ahead = self.wire.ahead();
            let end = ahead.iter().take(64 << 10).position(|b| *b == b'\n');
            if let Some(count) = end
                .map(|at| at + 1)
                .or((ahead.len() >= 64 << 10).then_some(64 << 10))
            {
                let line = ahead[..count].to_vec();
                self.wire.consume(count);
                return Some(line);
            }
            if !matches!(self.wire.fill().await, Ok(1..)) {
                return None;
            }
        }
    }

    /// Room for content.
    pub(super) fn body(&self) -> Held {
        Held::new(&self.talk.shared, self.talk.shared.config.max_body_bytes)
    }

    /// Sends bytes at once.
    pub(super) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.write_all(bytes.as_ref()).await?;
        self.wire.flush().await
    }

    /// Sends a line and records the command it answers.
    pub(super) async fn answer(&mut self, command: &[u8], line: &str) -> io::Result<()> {
        self.answer_to(Said {
            command,
            answer: line,
            ..Said::default()
        })
        .await
    }

    /// Records a command and sends the line that answers it.
    pub(super) async fn answer_to(&mut self, said: Said<'_>) -> io::Result<()> {
        let line = format!("{}\r\n", said.answer);
        self.note(said).await;
        self.say(line).await
    }

    /// Records a command, keeps and searches what it carried.
    pub(super) async fn note(&mut self, said: Said<'_>) {
        let shared = &self.talk.shared;
        let body = said.body.map(Arc::new);
        let digest = match &body {
            Some(body) => self.talk.record.keep(shared, body).await,
            None => None,
        };
        let mut summary = said.command.to_vec();
        summary.retain(|b| !matches!(b, b'\r' | b'\n'));
        let headers = said.fields.into_iter();
        self.talk.record.message(
            shared,
            FlowMessage {
                summary: Hostile::new(summary),
                headers: headers
                    .map(|(name, value)| (name.into(), Hostile::new(value)))
                    .collect(),
                body: digest,
                body_bytes: body.as_ref().map_or(0, |body| body.total),
                answer: Hostile::from(said.answer.lines().next().unwrap_or_default())
                    .shortened(200),
            },
        );
        if let Some(body) = body {
            self.talk.record.search(shared, body, "body").await;
        }
    }

    /// Notes pieces which, with those of other messages to the same host, may be one text.
    pub(super) fn pieces(&self, pieces: Vec<Vec<u8>>) {
        let host = self.talk.name();
        self.talk
            .shared
            .requests
            .note_fields(host.as_bytes(), pieces, &self.talk.record);
    }

    /// Goes on inside TLS.
    pub(super) async fn start_tls(
        &mut self,
        layer: &'static str,
        protocol: Protocol,
    ) -> io::Result<()> {
        let wire = std::mem::replace(&mut self.wire, Wire::new(tokio::io::empty()));
        self.talk.record.layer("tls", None);
        self.wire = tls::accept(wire, self.talk).await?;
        self.talk.record.layer(layer, Some(protocol));
        Ok(())
    }

    /// Keeps and searches all that was said.
    async fn finish(self, layer: &'static str) {
        if self.held.total == 0 {
            return;
        }
        let held = Arc::new(self.held);
        let blob = self.talk.record.keep(&self.talk.shared, &held).await;
        self.talk.record.with(|flow| flow.sent_blob = blob);
        self.talk
            .record
            .search(&self.talk.shared, held, layer)
            .await;
    }
}

/// A line's first word in capitals and what follows it.
pub(super) fn verb(line: &[u8]) -> (String, &[u8]) {
    let line = line.trim_ascii();
    let end = line
        .iter()
        .position(|b| b.is_ascii_whitespace())
        .unwrap_or(line.len());
    let word = String::from_utf8_lossy(&line[..end.min(32)]).to_ascii_uppercase();
    (word, line[end..].trim_ascii())
}

/// Whether a stream starts with one of these words (in any case) and a blank or line end.
pub(super) fn starts_with_word(first: &[u8], words: &[&str]) -> Guess {
    let end = first.iter().position(|b| b.is_ascii_whitespace());
    let given = &first[..end.unwrap_or(first.len())];
    let whole = |word: &str| given.eq_ignore_ascii_case(word.as_bytes());
    let begins = |word: &str| {
        word.len() > given.len() && word.as_bytes()[..given.len()].eq_ignore_ascii_case(given)
    };
    match end {
        Some(_) if words.iter().any(|w| whole(w)) => Guess::Yes,
        None if words.iter().any(|w| whole(w) || begins(w)) => Guess::Maybe,
        _ => Guess::No,
    }
}
