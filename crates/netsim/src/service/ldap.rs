//! A directory that lets everybody in and holds nothing.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::session::{Dialogue, MESSAGE, Said, Session};

const NAME: &str = "ldap";
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

pub(crate) struct Ldap;

impl Dialogue for Ldap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn speaks(&self) -> Protocol {
        Protocol::Ldap
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        // A sequence of a number and a request.
        let Some((0x30, content)) = tag(first) else {
            let begins = matches!(first, [] | [0x30] | [0x30, 0x81..=0x84, ..]) && first.len() < 6;
            return if begins { Guess::Maybe } else { Guess::No };
        };
        let Some((2, number)) = tag(content) else {
            return if content.len() < 2 {
                Guess::Maybe
            } else {
                Guess::No
            };
        };
        let at = 2 + number.len();
        match content.get(at) {
            Some(0x60 | 0x63 | 0x77) if number.len() <= 4 => Guess::Yes,
            None if number.len() <= 4 => Guess::Maybe,
            _ => Guess::No,
        }
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        while let Some(request) = read(session).await {
            let Some(heard) = hear(&request) else {
                break;
            };
            session
                .note(Said {
                    command: &heard.command,
                    fields: heard.fields,
                    answer: "success",
                    body: None,
                })
                .await;
            session.say(&heard.reply).await?;
            match heard.next {
                Step::On => {}
                Step::Tls => session.start_tls(NAME, Protocol::Ldap).await?,
                Step::End => break,
            }
        }
        Ok(())
    }
}

/// One request, without the tag around it.
async fn read(session: &mut Session<'_>) -> Option<Vec<u8>> {
    let head = session.take(2).await?;
    let length = match (head[0], head[1]) {
        (0x30, short @ ..=0x7f) => usize::from(short),
        (0x30, long @ 0x81..=0x84) => {
            let bytes = session.take(usize::from(long & 0x7f)).await?;
            bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    if length > MESSAGE {
        session.talk.record.with(|flow| flow.truncated = true);
        return None;
    }
    session.take(length).await
}

enum Step {
    On,
    Tls,
    End,
}

struct Heard {
    command: Vec<u8>,
    fields: Vec<(&'static str, Vec<u8>)>,
    reply: Vec<u8>,
    next: Step,
}

/// What follows from one request; `None` when it is none.
fn hear(request: &[u8]) -> Option<Heard> {
    let (2, number) = tag(request)? else {
        return None;
    };
    let rest = &request[2 + number.len()..];
    let (kind, content) = tag(rest)?;
    let mut fields = Vec::new();
    let mut next = Step::On;
    let mut entries = Vec::new();
    let (command, answer) = match kind {
        0x60 => {
            let (_, _, after) = part(content)?;
            let (_, name, after) = part(after)?;
            let (how, secret, _) = part(after)?;
            fields.push(("user", name.to_vec()));
            if how == 0x80 {
                fields.push(("password", secret.to_vec()));
            }
            ([b"BIND ", name].concat(), 0x61)
        }
        0x63 => {
            let (_, base, _) = part(content)?;
            fields.push(("base", base.to_vec()));
            entries = entry(number, base);
            ([b"SEARCH ", base].concat(), 0x65)
        }
        0x77 => {
            let (_, name, _) = part(content)?;
            if name == START_TLS {
                next = Step::Tls;
            }
            ([b"EXTENDED ", name].concat(), 0x78)
        }
        0x66 => ([b"MODIFY ", part(content)?.1].concat(), 0x67),
        0x68 => ([b"ADD ", part(content)?.1].concat(), 0x69),
        0x4a => ([b"DELETE ", content].concat(), 0x6b),
        0x6c => ([b"RENAME ", part(content)?.1].concat(), 0x6d),
        0x6e => ([b"COMPARE ", part(content)?.1].concat(), 0x6f),
        0x42 => (b"UNBIND".to_vec(), 0),
        0x50 => (b"ABANDON".to_vec(), 0),
        _ => return None,
    };
    if kind == 0x42 {
        next = Step::End;
    }
    let reply = match answer {
        0 => Vec::new(),
        // Success, no name, no message.
        answer => [
            entries,
            wrapped(
                0x30,
                &[
                    wrapped(2, number),
                    wrapped(answer, b"\x0a\x01\0\x04\0\x04\0"),
                ]
                .concat(),
            ),
        ]
        .concat(),
    };
    Some(Heard {
        command,
        fields,
        reply,
        next,
    })
}

/// The one thing that is at any place.
fn entry(number: &[u8], base: &[u8]) -> Vec<u8> {
    let values = wrapped(0x31, &wrapped(4, b"top"));
    let attribute = wrapped(0x30, &[wrapped(4, b"objectClass"), values].concat());
    let content = [
        wrapped(4, &base[..base.len().min(1024)]),
        wrapped(0x30, &attribute),
    ]
    .concat();
    wrapped(
        0x30,
        &[wrapped(2, number), wrapped(0x64, &content)].concat(),
    )
}

/// The first tag and its content; a content that is cut is given as far as it goes.
fn tag(bytes: &[u8]) -> Option<(u8, &[u8])> {
    part(bytes).map(|(kind, content, _)| (kind, content))
}

/// The first tag, its content, and what follows.
fn part(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (
                digits
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte)),
                rest,
            )
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at(length.min(rest.len()));
    Some((*kind, content, rest))
}

fn wrapped(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    match u8::try_from(length) {
        Ok(short @ ..=0x7f) => [&[kind, short], content].concat(),
        _ => {
            let length = u32::try_from(length).unwrap_or(0).to_be_bytes();
            [&[kind, 0x84], &length[..], content].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `cn=kim`, `pw`.
    const BIND: &[u8] = b"\x30\x14\x02\x01\x01\x60\x0f\x02\x01\x03\x04\x06cn=kim\x80\x02pw";

    #[test]
    fn a_bind_is_recognised_read_and_answered() {
        assert_eq!(Dialogue::recognises(&Ldap, BIND, 80), Guess::Yes);
        assert_eq!(Dialogue::recognises(&Ldap, &BIND[..2], 80), Guess::Maybe);
        assert_eq!(Dialogue::recognises(&Ldap, b"0123456789", 80), Guess::No);
        let heard = hear(&BIND[2..]).unwrap();
        assert_eq!(heard.command, b"BIND cn=kim");
        assert_eq!(heard.fields[1], ("password", b"pw".to_vec()));
        assert_eq!(
            heard.reply,
            b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0..BIND.len(), byte: u8) {
            let mut bind = BIND.to_vec();
            bind[at] = byte;
            for bytes in [&bytes[..], &bind, &bind[..at]] {
                Dialogue::recognises(&Ldap, bytes, 389);
                hear(bytes);
                hear(bytes.get(2..).unwrap_or_default());
            }
        }
    }
}
