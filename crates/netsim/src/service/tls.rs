//! Ends TLS with a forged certificate, so that what is inside can be served.

use std::io;

use apa_model::{Hostile, Protocol};
use rustls::server::Acceptor;
use tokio_rustls::LazyConfigAcceptor;

use super::{Guess, Next, Service, Serving, Talk};
use crate::wire::Wire;

/// Protocols that are agreed on where the client offers them, the best first.
const SPOKEN: &[&[u8]] = &[
    b"h2",
    b"http/1.1",
    b"http/1.0",
    b"dot",
    b"imap",
    b"pop3",
    b"ftp",
    b"irc",
    b"mqtt",
    b"postgresql",
    b"redis",
];

pub(crate) struct Tls;

impl Service for Tls {
    fn layer(&self) -> &'static str {
        "tls"
    }

    fn protocol(&self) -> Option<Protocol> {
        None
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        // A handshake record, version 3.x, holding a ClientHello.
        let known = [Some(0x16), Some(3), None, None, None, Some(1)];
        let fits = first
            .iter()
            .zip(known)
            .all(|(byte, known)| known.is_none_or(|k| k == *byte));
        match (fits, first.len()) {
            (false, _) => Guess::No,
            (true, 6..) => Guess::Yes,
            (true, _) => Guess::Maybe,
        }
    }

    fn serve<'a>(&'a self, wire: Wire, talk: &'a mut Talk) -> Serving<'a> {
        Box::pin(async move { Ok(accept(wire, talk).await.map_or(Next::Done, Next::Inner)) })
    }
}

/// Ends TLS; a client that refuses it, or breaks it off, is recorded with its reason.
pub(super) async fn accept(wire: Wire, talk: &mut Talk) -> io::Result<Wire> {
    handshake(wire, talk).await.inspect_err(|error| {
        let reason = Hostile::from(describe(error)).shortened(200);
        talk.record.with(|flow| flow.tls_failure = Some(reason));
    })
}

async fn handshake(wire: Wire, talk: &mut Talk) -> io::Result<Wire> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), wire).await?;
    let hello = start.client_hello();
    let offered: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
    let known = SPOKEN.iter().filter(|known| offered.contains(*known));
    let agreed = known.map(|known| known.to_vec()).collect();
    let name = hello.server_name().map(str::to_owned);
    if let Some(name) = &name {
        talk.record
            .with(|flow| flow.sni = Some(name.as_str().into()));
        talk.record
            .search_now(&talk.shared, name.as_bytes(), "tls.sni");
    }
    let host = name
        .or_else(|| talk.host.take())
        .unwrap_or_else(|| talk.destination.ip().to_string());
    let config = talk
        .shared
        .forge
        .server(&host, agreed)
        .map_err(io::Error::other)?;
    talk.host = Some(host);
    let stream = start.into_stream(config.into()).await?;
    talk.secure = true;
    Ok(Wire::new(stream))
}

/// In words: the client's alert, or what it did instead of finishing.
fn describe(error: &io::Error) -> String {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::AlertReceived(alert)) => format!("client sent alert {alert:?}"),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "client left during the handshake".to_owned()
        }
        None => error.to_string(),
    }
}
