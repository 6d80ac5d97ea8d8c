//! A mailbox to fetch mail from.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::mailbox::{HEADER, TEXT, mail};
use super::sasl::{self, Words};
use super::session::{Dialogue, Said, Session, starts_with_word, verb};

const LAYER: &str = "pop3";
/// What stands for a mail while it does not change.
const UID: &str = "0000000168f1c2aa";

pub(crate) struct Pop3;

/// What a session knows.
#[derive(Default)]
struct State {
    user: Vec<u8>,
    deleted: bool,
}

impl Dialogue for Pop3 {
    fn name(&self) -> &'static str {
        LAYER
    }

    fn speaks(&self) -> Protocol {
        Protocol::Pop3
    }

    fn recognises(&self, first: &[u8], port: u16) -> Guess {
        let words: &[&str] = match port {
            110 | 995 => &["CAPA", "APOP", "STLS", "USER", "AUTH", "QUIT"],
            _ => &["CAPA", "APOP", "STLS"],
        };
        starts_with_word(first, words)
    }

    fn greets(&self, port: u16, secure: bool) -> bool {
        port == 110 || (port == 995 && secure)
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        let name = session.talk.banner_name();
        session
            .say(format!("+OK POP3 ready <2048.1762070400@{name}>\r\n"))
            .await?;
        let mut state = State::default();
        while let Some(line) = session.line().await {
            if !command(session, &mut state, &line).await? {
                break;
            }
        }
        Ok(())
    }
}

/// Does what one line asks; false when it was the last.
async fn command(session: &mut Session<'_>, state: &mut State, line: &[u8]) -> io::Result<bool> {
    let (word, rest) = verb(line);
    let size = mail().len();
    // A mail is asked for by its number; there is at most one.
    let there = !state.deleted && matches!(rest.split(|b| *b == b' ').next(), Some(b"1"));
    let missing = "-ERR no such message".to_owned();
    let mut fields = Vec::new();
    let answer = match &word[..] {
        "USER" => {
            state.user = rest.to_vec();
            fields.push(("user", rest.to_vec()));
            "+OK".to_owned()
        }
        "PASS" => {
            fields = vec![("user", state.user.clone()), ("password", rest.to_vec())];
            "+OK Logged in.".to_owned()
        }
        "APOP" => {
            let (user, digest) =
                rest.split_at(rest.iter().position(|b| *b == b' ').unwrap_or(rest.len()));
            fields = vec![
                ("user", user.to_vec()),
                ("apop", digest.trim_ascii().to_vec()),
            ];
            "+OK Logged in.".to_owned()
        }
        "AUTH" => return authenticate(session, line, rest).await.map(|()| true),
        "CAPA" => {
            let tls = if session.talk.secure { "" } else { "STLS\r\n" };
            format!(
                "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\n{tls}USER\r\nSASL PLAIN LOGIN\r\n."
            )
        }
        "STAT" if state.deleted => "+OK 0 0".to_owned(),
        "STAT" => format!("+OK 1 {size}"),
        "LIST" if rest.is_empty() && !state.deleted => format!("+OK 1 messages:\r\n1 {size}\r\n."),
        "UIDL" if rest.is_empty() && !state.deleted => format!("+OK\r\n1 {UID}\r\n."),
        "LIST" | "UIDL" if rest.is_empty() => "+OK\r\n.".to_owned(),
        "LIST" if there => format!("+OK 1 {size}"),
        "UIDL" if there => format!("+OK 1 {UID}"),
        "RETR" if there => format!("+OK {size} octets\r\n{}.", mail()),
        "TOP" if there => {
            let count = String::from_utf8_lossy(rest)
                .split(' ')
                .nth(1)
                .and_then(|n| n.parse().ok());
            let lines: String = TEXT
                .split_inclusive('\n')
                .take(count.unwrap_or(0))
                .collect();
            format!("+OK\r\n{HEADER}{lines}.")
        }
        "DELE" if there => {
            state.deleted = true;
            "+OK Marked to be deleted.".to_owned()
        }
        "LIST" | "UIDL" | "RETR" | "TOP" | "DELE" => missing,
        "RSET" => {
            state.deleted = false;
            "+OK".to_owned()
        }
        "NOOP" => "+OK".to_owned(),
        "STLS" if !session.talk.secure => {
            session
                .answer(line, "+OK Begin TLS negotiation now.")
                .await?;
            session.start_tls(LAYER, Protocol::Pop3).await?;
            return Ok(true);
        }
        "QUIT" => {
            session.answer(line, "+OK Logging out.").await?;
            return Ok(false);
        }
        _ => "-ERR Unknown command.".to_owned(),
    };
    session
        .answer_to(Said {
            command: line,
            fields,
            body: None,
            answer: &answer,
        })
        .await?;
    Ok(true)
}

async fn authenticate(session: &mut Session<'_>, line: &[u8], rest: &[u8]) -> io::Result<()> {
    if rest.trim_ascii().is_empty() {
        return session.answer(line, "+OK\r\nPLAIN\r\nLOGIN\r\n.").await;
    }
    let words = Words {
        ask: "+",
        done: "+OK Logged in.",
        failed: "-ERR Authentication failed.",
    };
    sasl::authenticate(session, line, rest, words).await
}
