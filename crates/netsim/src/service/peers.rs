//! Protocols that are recognised and refused politely: BitTorrent between peers, git's own.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::session::{Dialogue, Said, Session};

const HANDSHAKE: &[u8] = b"\x13BitTorrent protocol";
const GIT: &[&[u8]] = &[
    b"git-upload-pack ",
    b"git-receive-pack ",
    b"git-upload-archive ",
];

pub(crate) struct Bittorrent;

impl Dialogue for Bittorrent {
    fn name(&self) -> &'static str {
        "bittorrent"
    }

    fn speaks(&self) -> Protocol {
        Protocol::Bittorrent
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        match (first.starts_with(HANDSHAKE), HANDSHAKE.starts_with(first)) {
            (true, _) => Guess::Yes,
            (_, true) => Guess::Maybe,
            _ => Guess::No,
        }
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        // The name of the protocol, reserved bits, what is shared, who asks.
        let Some(hello) = session.take(68).await else {
            return Ok(());
        };
        let hex: String = hello[28..48]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let fields = vec![
            ("info-hash", hex.clone().into_bytes()),
            ("peer", hello[48..].to_vec()),
        ];
        let command = format!("handshake {hex}").into_bytes();
        session
            .note(Said {
                command: &command,
                fields,
                answer: "handshake",
                body: None,
            })
            .await;
        session
            .say([&hello[..48], b"-qB4650-k3dPy2t0Jv4z"].concat())
            .await?;
        while session.some().await.is_some() {}
        Ok(())
    }
}

pub(crate) struct Git;

impl Dialogue for Git {
    fn name(&self) -> &'static str {
        "git"
    }

    fn speaks(&self) -> Protocol {
        Protocol::Git
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        let (length, rest) = first.split_at(first.len().min(4));
        if !length.iter().all(u8::is_ascii_hexdigit) {
            return Guess::No;
        }
        match GIT.iter().any(|service| rest.starts_with(service)) {
            true => Guess::Yes,
            false if GIT.iter().any(|service| service.starts_with(rest)) => Guess::Maybe,
            false => Guess::No,
        }
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        let Some(length) = session.take(4).await else {
            return Ok(());
        };
        let length = std::str::from_utf8(&length)
            .ok()
            .and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(request) = session.take(length.unwrap_or(4).saturating_sub(4)).await else {
            return Ok(());
        };
        let mut words = request.split(|b| *b == 0);
        let command = words.next().unwrap_or_default().to_vec();
        let host = words
            .next()
            .unwrap_or_default()
            .strip_prefix(b"host=")
            .unwrap_or_default();
        let path = command.split(|b| *b == b' ').nth(1).unwrap_or_default();
        let error = [b"ERR access denied or repository not exported: ", path].concat();
        let fields = vec![("host", host.to_vec())];
        session
            .note(Said {
                command: &command,
                fields,
                answer: "ERR",
                body: None,
            })
            .await;
        session
            .say([format!("{:04x}", error.len() + 4).as_bytes(), &error].concat())
            .await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_are_recognised_by_their_first_words() {
        assert_eq!(
            Dialogue::recognises(&Git, b"002egit-upload-pack /x\0", 80),
            Guess::Yes
        );
        assert_eq!(Dialogue::recognises(&Git, b"GET / HTTP/1.1", 80), Guess::No);
        assert_eq!(Dialogue::recognises(&Bittorrent, HANDSHAKE, 80), Guess::Yes);
        assert_eq!(
            Dialogue::recognises(&Bittorrent, b"\x13Bit", 80),
            Guess::Maybe
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            Dialogue::recognises(&Git, &bytes, 9418);
            Dialogue::recognises(&Bittorrent, &bytes, 6881);
        }
    }
}
