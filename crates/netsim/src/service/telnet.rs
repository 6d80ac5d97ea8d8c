//! A terminal that asks for a name and a password and lets everybody in.

use std::io;

use apa_model::Protocol;

use super::session::{Dialogue, Said, Session};
use super::{Guess, shell};

/// What a telnet command starts with.
const IAC: u8 = 255;

pub(crate) struct Telnet;

impl Dialogue for Telnet {
    fn name(&self) -> &'static str {
        "telnet"
    }

    fn speaks(&self) -> Protocol {
        Protocol::Telnet
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        match first {
            [IAC] => Guess::Maybe,
            [IAC, 251..=254, ..] => Guess::Yes,
            _ => Guess::No,
        }
    }

    fn greets(&self, port: u16, _: bool) -> bool {
        matches!(port, 23 | 2323)
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        session
            .say("Debian GNU/Linux 12\r\n\r\nsrv01 login: ")
            .await?;
        let Some(user) = session.line().await else {
            return Ok(());
        };
        session.say("Password: ").await?;
        let Some(password) = session.line().await else {
            return Ok(());
        };
        let (user, password) = (text(&user), text(&password));
        let fields = vec![("user", user.clone()), ("password", password)];
        session
            .note(Said {
                command: b"login",
                fields,
                answer: "let in",
                body: None,
            })
            .await;
        session.say(format!("\r\n{}", shell::PROMPT)).await?;
        while let Some(line) = session.line().await {
            let line = text(&line);
            let Some(said) = shell::answer(&line) else {
                return session.answer(&line, "logout").await;
            };
            session
                .note(Said {
                    command: &line,
                    answer: &said,
                    ..Said::default()
                })
                .await;
            session.say(format!("{said}{}", shell::PROMPT)).await?;
        }
        Ok(())
    }
}

/// A line without the telnet commands in it.
fn text(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((first, more)) = rest.split_first() {
        rest = match (*first, more) {
            (IAC, [IAC, after @ ..]) => {
                out.push(IAC);
                after
            }
            (IAC, [251..=254, _, after @ ..]) => after,
            // A negotiation ends with its own end.
            (IAC, [250, after @ ..]) => {
                let end = after.windows(2).position(|pair| pair == [IAC, 240]);
                end.map_or(&[][..], |end| &after[end + 2..])
            }
            (IAC, [_, after @ ..]) => after,
            (0, after) => after,
            (byte, after) => {
                out.push(byte);
                after
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_taken_out_of_lines() {
        assert_eq!(
            text(b"\xff\xfd\x03ro\xff\xfa\x18\0x\xff\xf0ot\0\xff\xff"),
            b"root\xff"
        );
    }

    proptest! {
        #[test]
        fn no_line_panics(line: Vec<u8>) {
            text(&line);
            text(&[&[IAC][..], &line].concat());
        }
    }
}
