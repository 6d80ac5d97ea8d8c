//! Recognises what is spoken on a stream, whatever its port.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::service::{Guess, SERVICES, SINK, Service, Talk};
use crate::wire::Wire;

/// Bytes looked at before a stream is given up as unknown.
const PEEK: usize = 4 << 10;
/// How long a client has for its first bytes, and again for enough of them.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client has to speak first where a server is expected to.
const HESITATION: Duration = Duration::from_millis(250);

/// Servers that speak first, by the first label of their name.
const NAMED: &[(&str, u16)] = &[
    ("smtp", 25),
    ("mail", 25),
    ("mx", 25),
    ("ftp", 21),
    ("pop", 110),
    ("pop3", 110),
    ("imap", 143),
];

/// Waits for the client to speak and says which service is meant.
///
/// Where a server is expected to speak first, by port or by name, a silent client gets that service. Elsewhere it is
/// waited for without end: it holds nothing but its own connection.
pub(crate) async fn recognise(wire: &mut Wire, talk: &Talk) -> &'static dyn Service {
    let port = talk.port();
    if wire.ahead().is_empty() {
        match silence(wire, talk, port).await {
            Some(service) => return service,
            None if wire.ahead().is_empty() => return SINK,
            None => {}
        }
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let candidate = match best(wire.ahead(), port) {
            (Guess::Yes, service) => return service,
            (Guess::No, _) => return SINK,
            (Guess::Maybe, service) => service,
        };
        let full = wire.ahead().len() >= PEEK;
        match timeout_at(until, wire.fill()).await {
            // A slow client gets the service that its first bytes suggest.
            Err(_) => return candidate,
            Ok(Ok(1..)) if !full => {}
            Ok(_) => return SINK,
        }
    }
}

/// Waits for the first bytes. The service that a client waits for, if it is silent and there is one.
async fn silence(wire: &mut Wire, talk: &Talk, port: u16) -> Option<&'static dyn Service> {
    let greeter = |port| {
        SERVICES
            .iter()
            .find(|service| service.greets(port, talk.secure))
    };
    let (expected, patience) = match greeter(port) {
        Some(service) => (Some(service), HESITATION),
        None if matches!(port, 80 | 443) => (None, PATIENCE),
        None => (named(&talk.name()).and_then(greeter), PATIENCE),
    };
    if let Some(service) = expected
        && timeout(patience, wire.fill()).await.is_err()
    {
        return Some(*service);
    }
    if wire.ahead().is_empty() {
        // Its end is seen by whoever looks at what came.
        let _ = wire.fill().await;
    }
    None
}

/// The port that a server of this name would have.
fn named(name: &str) -> Option<u16> {
    let label = name
        .split('.')
        .next()?
        .trim_end_matches(|c: char| c.is_ascii_digit() && c != '3');
    NAMED
        .iter()
        .find(|(known, _)| label.eq_ignore_ascii_case(known))
        .map(|(_, port)| *port)
}

/// The first service that takes the stream, unless one with precedence still may.
fn best(first: &[u8], port: u16) -> (Guess, &'static dyn Service) {
    SERVICES
        .iter()
        .map(|service| (service.recognises(first, port), *service))
        .find(|(guess, _)| *guess != Guess::No)
        .unwrap_or((Guess::No, SINK))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layer(first: &[u8], port: u16) -> (Guess, &'static str) {
        let (guess, service) = best(first, port);
        (guess, service.layer())
    }

    #[test]
    fn protocols_are_recognised_on_any_port() {
        assert_eq!(layer(b"GET / HTTP/1.1\r\n", 9999), (Guess::Yes, "http"));
        assert_eq!(layer(b"FROB /x HTTP/1.0\r\n", 22), (Guess::Yes, "http"));
        assert_eq!(layer(b"GE", 443), (Guess::Maybe, "http"));
        assert_eq!(
            layer(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 80),
            (Guess::Yes, "tls")
        );
        assert_eq!(layer(b"\x16", 80), (Guess::Maybe, "tls"));
        assert_eq!(
            layer(b"\0\x1d\xab\xcd\x01\0\0\x01\0\0\0\0\0\0", 53),
            (Guess::Yes, "dns")
        );
    }

    #[test]
    fn what_is_none_of_them_is_left_alone() {
        for other in [
            &b"KNOCK x\r\n"[..],
            b"\x05\x01\x00\x00",
            b"SSH-2.0-x\r\n",
            b"{\"id\":1}\n",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        ] {
            assert_eq!(
                layer(other, 443).0,
                Guess::No,
                "{}",
                String::from_utf8_lossy(other)
            );
        }
    }

    proptest! {
        #[test]
        fn no_first_bytes_panic(first: Vec<u8>, port: u16) {
            best(&first, port);
            best(&first, 53);
        }
    }
}
