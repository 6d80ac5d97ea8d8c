//! MongoDB as far as its clients introduce themselves: every command is kept and succeeds, with nothing in it.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::session::{Dialogue, MESSAGE, Said, Session};

/// Kinds of messages.
const REPLY: u32 = 1;
const QUERY: u32 = 2004;
const MSG: u32 = 2013;
const HEAD: usize = 16;

pub(crate) struct Mongodb;

impl Dialogue for Mongodb {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    fn speaks(&self) -> Protocol {
        Protocol::Mongodb
    }

    fn recognises(&self, first: &[u8], port: u16) -> Guess {
        match (number(first, 0), number(first, 8), number(first, 12)) {
            (Some(HEAD_ONLY..=LONGEST), Some(0), Some(QUERY | MSG)) => Guess::Yes,
            (_, _, None) if matches!(port, 27017..=27019) => Guess::Maybe,
            _ => Guess::No,
        }
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        while let Some(head) = session.take(HEAD).await {
            let (id, kind) = (&head[4..8], number(&head, 12));
            let length = number(&head, 0).and_then(|length| usize::try_from(length).ok());
            let Some(length) = length
                .and_then(|length| length.checked_sub(HEAD))
                .filter(|length| *length <= MESSAGE)
            else {
                break;
            };
            let Some(content) = session.take(length).await else {
                break;
            };
            let document = document(kind, &content);
            let command = first_key(document);
            session
                .note(Said {
                    command: &command,
                    answer: "ok",
                    ..Said::default()
                })
                .await;
            session.say(reply(id, kind, &answer())).await?;
        }
        Ok(())
    }
}

const HEAD_ONLY: u32 = 16;
const LONGEST: u32 = 48_000_000;

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The document of a message: after its flags and the kind of section, or after the name of a collection.
fn document(kind: Option<u32>, content: &[u8]) -> &[u8] {
    let at = match kind {
        Some(MSG) => 5,
        _ => {
            4 + content
                .iter()
                .skip(4)
                .position(|b| *b == 0)
                .unwrap_or(content.len())
                + 9
        }
    };
    content.get(at..).unwrap_or_default()
}

/// The name of the first field, which is the command, and its text if it has one.
fn first_key(document: &[u8]) -> Vec<u8> {
    let Some((kind, rest)) = document.get(4..).and_then(<[u8]>::split_first) else {
        return Vec::new();
    };
    let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
    let key = &rest[..end];
    let text = rest
        .get(end + 5..)
        .filter(|_| *kind == 2)
        .unwrap_or_default();
    let text = &text[..text.iter().position(|b| *b == 0).unwrap_or(text.len())];
    [key, text].join(&b' ').trim_ascii().to_vec()
}

/// What a server says when it is greeted; nothing else is read of it by clients of other commands.
fn answer() -> Vec<u8> {
    let mut fields = Vec::new();
    let mut truth = |name: &str, value: bool| {
        fields.extend([&[8], name.as_bytes(), &[0, u8::from(value)]].concat());
    };
    truth("ismaster", true);
    truth("isWritablePrimary", true);
    truth("helloOk", true);
    truth("readOnly", false);
    for (name, value) in [
        ("maxBsonObjectSize", 16_777_216_u32),
        ("maxMessageSizeBytes", 48_000_000),
        ("maxWriteBatchSize", 100_000),
        ("logicalSessionTimeoutMinutes", 30),
        ("connectionId", 42),
        ("minWireVersion", 0),
        ("maxWireVersion", 21),
        ("n", 1),
    ] {
        fields.extend([&[16], name.as_bytes(), &[0], &value.to_le_bytes()].concat());
    }
    fields.extend([&[1][..], b"ok\0", &1_f64.to_le_bytes()].concat());
    let length = u32::try_from(fields.len() + 5).unwrap_or(5);
    [&length.to_le_bytes()[..], &fields, &[0]].concat()
}

/// A document in the form of the question.
fn reply(to: &[u8], kind: Option<u32>, document: &[u8]) -> Vec<u8> {
    let (kind, front): (u32, &[u8]) = match kind {
        Some(MSG) => (MSG, &[0; 5]),
        // Flags, cursor, start, and one document.
        _ => (
            REPLY,
            &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        ),
    };
    let length = u32::try_from(HEAD + front.len() + document.len()).unwrap_or(0);
    [
        &length.to_le_bytes()[..],
        &[1, 0, 0, 0],
        to,
        &kind.to_le_bytes(),
        front,
        document,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_command_of_a_message_is_its_first_key() {
        let hello = b"\0\0\0\0\0\x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";
        assert_eq!(first_key(document(Some(MSG), hello)), b"hello");
        let insert = b"\0\0\0\0\0\x1f\0\0\0\x02insert\0\x05\0\0\0loot\0\0";
        assert_eq!(first_key(document(Some(MSG), insert)), b"insert loot");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            for kind in [Some(MSG), Some(QUERY)] {
                first_key(document(kind, &bytes));
            }
            Dialogue::recognises(&Mongodb, &bytes, 27017);
        }
    }
}
