//! A broker that takes every message and has none to give.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::session::{Dialogue, MESSAGE, Said, Session};

pub(crate) struct Mqtt;

impl Dialogue for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn speaks(&self) -> Protocol {
        Protocol::Mqtt
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        let [0x10, rest @ ..] = first else {
            return if first.is_empty() {
                Guess::Maybe
            } else {
                Guess::No
            };
        };
        let length = rest.iter().take(4).take_while(|b| **b & 0x80 != 0).count() + 1;
        let name = rest.get(length..).unwrap_or_default();
        let known = [&b"\0\x04MQTT"[..], b"\0\x06MQIsdp"];
        if known.iter().any(|known| name.starts_with(known)) {
            Guess::Yes
        } else if first.len() < 12 && known.iter().any(|known| known.starts_with(name)) {
            Guess::Maybe
        } else {
            Guess::No
        }
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        let mut five = false;
        while let Some((head, content)) = read(session).await {
            let heard = hear(head, &content, &mut five);
            if let Some((command, fields)) = heard.note {
                let body = heard.payload.map(|payload| {
                    let mut body = session.body();
                    body.push(payload);
                    body
                });
                session
                    .note(Said {
                        command: &command,
                        fields,
                        body,
                        answer: "",
                    })
                    .await;
            }
            session.say(heard.reply).await?;
            if heard.last {
                break;
            }
        }
        Ok(())
    }
}

/// A packet's first byte and content; `None` at the end.
async fn read(session: &mut Session<'_>) -> Option<(u8, Vec<u8>)> {
    let head = session.take(1).await?[0];
    let mut length = 0_usize;
    for place in 0..4 {
        let digit = session.take(1).await?[0];
        length |= usize::from(digit & 0x7f) << (7 * place);
        if digit & 0x80 == 0 {
            break;
        }
    }
    if length > MESSAGE {
        session.talk.record.with(|flow| flow.truncated = true);
        return None;
    }
    Some((head, session.take(length).await?))
}

type Note = (Vec<u8>, Vec<(&'static str, Vec<u8>)>);

/// What follows from one packet.
#[derive(Default)]
struct Heard<'c> {
    reply: Vec<u8>,
    note: Option<Note>,
    payload: Option<&'c [u8]>,
    last: bool,
}

fn hear<'c>(head: u8, content: &'c [u8], five: &mut bool) -> Heard<'c> {
    let mut heard = Heard::default();
    let number = content.first_chunk::<2>().copied().unwrap_or_default();
    let extra: &[u8] = if *five { &[0] } else { &[] };
    match head >> 4 {
        1 => {
            heard.note = Some((b"CONNECT".to_vec(), credentials(content, five)));
            heard.reply = if *five {
                vec![0x20, 3, 0, 0, 0]
            } else {
                vec![0x20, 2, 0, 0]
            };
        }
        3 => {
            let (topic, rest) = counted(content);
            let assured = head >> 1 & 3;
            let (number, rest) = match (assured, rest) {
                (1.., [high, low, rest @ ..]) => ([*high, *low], rest),
                _ => ([0, 0], rest),
            };
            // Properties, which come first in the fifth version, are short.
            let skipped = if *five {
                rest.first().map_or(0, |length| usize::from(*length) + 1)
            } else {
                0
            };
            heard.payload = Some(rest.get(skipped..).unwrap_or_default());
            heard.note = Some((
                [b"PUBLISH ", topic].concat(),
                vec![("topic", topic.to_vec())],
            ));
            heard.reply = match assured {
                1 => vec![0x40, 2, number[0], number[1]],
                2 => vec![0x50, 2, number[0], number[1]],
                _ => Vec::new(),
            };
        }
        6 => heard.reply = vec![0x70, 2, number[0], number[1]],
        8 => {
            let topics = &content[content.len().min(2 + extra.len())..];
            let topic = counted(topics).0;
            heard.note = Some((
                [b"SUBSCRIBE ", topic].concat(),
                vec![("topic", topic.to_vec())],
            ));
            heard.reply = acknowledged(0x90, number, extra, &[0]);
        }
        10 => heard.reply = acknowledged(0xb0, number, extra, extra),
        12 => heard.reply = vec![0xd0, 0],
        14 => heard.last = true,
        _ => {}
    }
    heard
}

fn acknowledged(kind: u8, number: [u8; 2], properties: &[u8], codes: &[u8]) -> Vec<u8> {
    let content = [&number[..], properties, codes].concat();
    let length = u8::try_from(content.len()).unwrap_or(2);
    [&[kind, length], &content[..]].concat()
}

/// Client, name and password of a CONNECT.
fn credentials(content: &[u8], five: &mut bool) -> Vec<(&'static str, Vec<u8>)> {
    let (_, rest) = counted(content);
    let [version, flags, _, _, rest @ ..] = rest else {
        return Vec::new();
    };
    *five = *version == 5;
    let properties = |rest: &[u8]| rest.first().map_or(0, |length| usize::from(*length) + 1);
    let mut rest = &rest[if *five {
        properties(rest).min(rest.len())
    } else {
        0
    }..];
    let mut fields = Vec::new();
    let mut next = |name, rest: &mut &[u8]| {
        let (value, after) = counted(rest);
        fields.push((name, value.to_vec()));
        *rest = &rest[rest.len() - after.len()..];
    };
    next("client", &mut rest);
    if flags & 4 != 0 {
        if *five {
            rest = &rest[properties(rest).min(rest.len())..];
        }
        next("will-topic", &mut rest);
        next("will", &mut rest);
    }
    if flags & 0x80 != 0 {
        next("user", &mut rest);
    }
    if flags & 0x40 != 0 {
        next("password", &mut rest);
    }
    fields
}

/// Text whose length comes first in two bytes, and what follows it.
fn counted(bytes: &[u8]) -> (&[u8], &[u8]) {
    let [high, low, rest @ ..] = bytes else {
        return (b"", b"");
    };
    let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    rest.split_at(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_connect_is_recognised_and_its_credentials_read() {
        let connect = b"\x10\x18\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x03kim\0\x04pass";
        assert_eq!(Dialogue::recognises(&Mqtt, connect, 80), Guess::Yes);
        assert_eq!(Dialogue::recognises(&Mqtt, &connect[..3], 80), Guess::Maybe);
        let found = credentials(&connect[2..], &mut false);
        let expected = [
            ("client", &b"c"[..]),
            ("user", b"kim"),
            ("password", b"pass"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name, value.to_vec())));
    }

    proptest! {
        #[test]
        fn no_packet_panics(head: u8, content: Vec<u8>, five: bool) {
            let mut five = five;
            hear(head, &content, &mut five);
            Dialogue::recognises(&Mqtt, &content, 1883);
            Dialogue::recognises(&Mqtt, &[&[0x10][..], &content].concat(), 1883);
        }
    }
}
