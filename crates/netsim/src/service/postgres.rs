//! PostgreSQL: asks everybody for the password in the clear; statements are kept, and answered as by a database that
//! holds nothing.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::session::{Dialogue, Said, Session};
use super::sql::{self, Answer};
use crate::record::Held;

const NAME: &str = "postgres";
const VERSION: &str = "PostgreSQL 16.4 (Debian 16.4-1.pgdg120+1) on x86_64-pc-linux-gnu";
/// What a client asks for with its first message.
const START: u32 = 196_608;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
/// Bytes of one message that are read.
const MESSAGE: usize = 512 << 10;

pub(crate) struct Postgres;

impl Dialogue for Postgres {
    fn name(&self) -> &'static str {
        NAME
    }

    fn speaks(&self) -> Protocol {
        Protocol::Postgres
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        let [0, 0, _, _, rest @ ..] = first else {
            let begins = [0, 0].iter().zip(first).all(|(known, byte)| known == byte);
            return if begins && first.len() < 4 {
                Guess::Maybe
            } else {
                Guess::No
            };
        };
        let known = [START, TLS, GSS].map(u32::to_be_bytes);
        match rest.first_chunk::<4>() {
            Some(code) if known.contains(code) => Guess::Yes,
            Some(_) => Guess::No,
            None if known.iter().any(|known| known.starts_with(rest)) => Guess::Maybe,
            None => Guess::No,
        }
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        let Some(parameters) = start(session).await? else {
            return Ok(());
        };
        session.say(message(b'R', &3_u32.to_be_bytes())).await?;
        let Some((b'p', password)) = read(session).await else {
            return Ok(());
        };
        let mut fields = parameters;
        fields.push(("password", to_zero(&password).to_vec()));
        session
            .note(Said {
                command: b"login",
                fields,
                answer: "let in",
                body: None,
            })
            .await;
        session.say(welcome()).await?;
        let mut prepared = String::new();
        while let Some((kind, content)) = read(session).await {
            if !answer(session, &mut prepared, kind, &content).await? {
                break;
            }
        }
        Ok(())
    }
}

/// Comes to the message that starts a session: who, and which database.
async fn start(session: &mut Session<'_>) -> io::Result<Option<Vec<(&'static str, Vec<u8>)>>> {
    // TLS and GSS may both be asked for before.
    for _ in 0..4 {
        let Some(content) = content(session).await else {
            return Ok(None);
        };
        match content.first_chunk().map(|code| u32::from_be_bytes(*code)) {
            Some(TLS) if !session.talk.secure => {
                session.say("S").await?;
                session.start_tls(NAME, Protocol::Postgres).await?;
            }
            Some(TLS | GSS) => session.say("N").await?,
            Some(START) => return Ok(Some(parameters(&content[4..]))),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn parameters(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let words: Vec<&[u8]> = text.split(|b| *b == 0).take(64).collect();
    let named = |name: &[u8]| {
        words
            .chunks_exact(2)
            .find(|pair| pair[0] == name)
            .map(|pair| pair[1].to_vec())
    };
    let known = [("user", named(b"user")), ("database", named(b"database"))];
    known
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// The content of a message whose length comes first.
async fn content(session: &mut Session<'_>) -> Option<Vec<u8>> {
    let length = session.take(4).await?;
    let length = u32::from_be_bytes(*length.first_chunk()?);
    let length = usize::try_from(length).ok()?.checked_sub(4)?;
    if length > MESSAGE {
        session.talk.record.with(|flow| flow.truncated = true);
        return None;
    }
    session.take(length).await
}

async fn read(session: &mut Session<'_>) -> Option<(u8, Vec<u8>)> {
    let kind = session.take(1).await?[0];
    Some((kind, content(session).await?))
}

fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 4).unwrap_or(4);
    [&[kind], &length.to_be_bytes()[..], content].concat()
}

fn welcome() -> Vec<u8> {
    let mut out = message(b'R', &[0; 4]);
    for (name, value) in [
        ("server_version", "16.4 (Debian 16.4-1.pgdg120+1)"),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "Etc/UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
    ] {
        out.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
    }
    out.extend(message(b'K', &[0, 0, 0x1c, 0x2a, 0x5b, 0x11, 0x73, 0x0e]));
    out.extend(ready());
    out
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn to_zero(text: &[u8]) -> &[u8] {
    &text[..text.iter().position(|b| *b == 0).unwrap_or(text.len())]
}

/// Does what one message asks; false when it was the last.
async fn answer(
    session: &mut Session<'_>,
    prepared: &mut String,
    kind: u8,
    content: &[u8],
) -> io::Result<bool> {
    let reply = match kind {
        b'X' => return Ok(false),
        b'Q' => {
            let statement = to_zero(content).to_vec();
            let text = String::from_utf8_lossy(&statement).into_owned();
            if text.to_ascii_lowercase().contains("from stdin") {
                return copy(session, &statement).await;
            }
            noted(session, &statement).await;
            let mut out = Vec::new();
            match sql::answer(&text, VERSION) {
                Answer::Rows(columns, rows) => {
                    out.extend(described(&columns));
                    out.extend(listed(&rows));
                }
                Answer::Done(done) => out.extend(complete(done)),
            }
            out.extend(ready());
            out
        }
        // Statements in steps: the name comes first, then the text.
        b'P' => {
            let text = content
                .get(to_zero(content).len() + 1..)
                .unwrap_or_default();
            let statement = to_zero(text).to_vec();
            *prepared = String::from_utf8_lossy(&statement).into_owned();
            noted(session, &statement).await;
            message(b'1', b"")
        }
        b'B' => message(b'2', b""),
        b'D' => {
            let mut out = if content.first() == Some(&b'S') {
                message(b't', &[0, 0])
            } else {
                Vec::new()
            };
            match sql::answer(prepared, VERSION) {
                Answer::Rows(columns, _) => out.extend(described(&columns)),
                Answer::Done(_) => out.extend(message(b'n', b"")),
            }
            out
        }
        b'E' => match sql::answer(prepared, VERSION) {
            Answer::Rows(_, rows) => listed(&rows),
            Answer::Done(done) => complete(done),
        },
        b'C' => message(b'3', b""),
        b'S' => ready(),
        _ => Vec::new(),
    };
    session.say(reply).await?;
    Ok(true)
}

async fn noted(session: &mut Session<'_>, statement: &[u8]) {
    session
        .note(Said {
            command: statement,
            ..Said::default()
        })
        .await;
    session.pieces(vec![statement.to_vec()]);
}

/// Takes the rows that a client sends.
async fn copy(session: &mut Session<'_>, statement: &[u8]) -> io::Result<bool> {
    session.say(message(b'G', &[0, 0, 0])).await?;
    let mut body: Held = session.body();
    loop {
        match read(session).await {
            Some((b'd', rows)) => body.push(&rows),
            Some((b'c' | b'f', _)) => break,
            Some(_) => {}
            None => return Ok(false),
        }
    }
    session
        .note(Said {
            command: statement,
            body: Some(body),
            answer: "COPY",
            fields: Vec::new(),
        })
        .await;
    session.say([complete("COPY 1"), ready()].concat()).await?;
    Ok(true)
}

fn described(columns: &[&str]) -> Vec<u8> {
    let mut out = u16::try_from(columns.len())
        .unwrap_or(0)
        .to_be_bytes()
        .to_vec();
    for column in columns {
        out.extend_from_slice(column.as_bytes());
        // No table; type text, of any length, as text.
        out.extend_from_slice(&[
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0,
        ]);
    }
    message(b'T', &out)
}

fn listed(rows: &[Vec<String>]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        let mut values = u16::try_from(row.len()).unwrap_or(0).to_be_bytes().to_vec();
        for value in row {
            values.extend(u32::try_from(value.len()).unwrap_or(0).to_be_bytes());
            values.extend_from_slice(value.as_bytes());
        }
        out.extend(message(b'D', &values));
    }
    out.extend(complete(&format!("SELECT {}", rows.len())));
    out
}

fn complete(what: &str) -> Vec<u8> {
    message(b'C', format!("{what}\0").as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn first_messages_are_recognised_and_their_parameters_read() {
        let guess = |first: &[u8]| Dialogue::recognises(&Postgres, first, 80);
        assert_eq!(guess(&[0, 0, 0, 8, 4, 210, 22, 47]), Guess::Yes);
        assert_eq!(guess(&[0, 0, 0, 60, 0, 3, 0, 0]), Guess::Yes);
        assert_eq!(guess(&[0, 0, 0]), Guess::Maybe);
        assert_eq!(guess(&[0, 0, 0, 8, 9]), Guess::No);
        let found = parameters(b"user\0kim\0database\0shop\0\0");
        assert_eq!(
            found,
            [("user", b"kim".to_vec()), ("database", b"shop".to_vec())]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            parameters(&bytes);
            to_zero(&bytes);
            Dialogue::recognises(&Postgres, &bytes, 5432);
            sql::answer(&String::from_utf8_lossy(&bytes), VERSION);
        }
    }
}
