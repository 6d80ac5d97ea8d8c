//! Recognises what is spoken on a stream, whatever its port.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::service::{Guess, SERVICES, SINK, Service};
use crate::wire::Wire;

/// Bytes looked at before a stream is given up as unknown.
const PEEK: usize = 4 << 10;
/// How long a client has for its first bytes, and again for enough of them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for the client to speak and says which service is meant.
///
/// A client that stays silent is waited for without end: it holds nothing but its own connection. Services that speak
/// first would get their turn here, after `PATIENCE`.
pub(crate) async fn recognise(wire: &mut Wire, port: u16) -> &'static dyn Service {
    if wire.ahead().is_empty() && !matches!(wire.fill().await, Ok(1..)) {
        return SINK;
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
            &b"NICK x\r\n"[..],
            b"EHLO there\r\n",
            b"SSH-2.0-x\r\n",
            b"{\"id\":1}\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
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
