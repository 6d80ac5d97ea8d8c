//! Takes every mail, keeps it and its parts.

mod mime;

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::sasl::{self, MECHANISMS, Words};
use super::session::{Dialogue, Said, Session, starts_with_word, verb};
use crate::record::Held;

const LAYER: &str = "smtp";
/// Recipients recorded of one mail.
const RECIPIENTS: usize = 100;

pub(crate) struct Smtp;

/// The mail under way.
#[derive(Default)]
struct Mail {
    envelope: Vec<(&'static str, Vec<u8>)>,
    /// What came in chunks so far.
    chunks: Option<Held>,
}

impl Dialogue for Smtp {
    fn name(&self) -> &'static str {
        LAYER
    }

    fn speaks(&self) -> Protocol {
        Protocol::Smtp
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        starts_with_word(first, &["EHLO", "HELO", "LHLO"])
    }

    fn greets(&self, port: u16, secure: bool) -> bool {
        matches!(port, 25 | 26 | 587 | 2525 | 2587) || (port == 465 && secure)
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        let name = session.talk.banner_name();
        session.say(format!("220 {name} ESMTP Postfix\r\n")).await?;
        let mut mail = Mail::default();
        while let Some(line) = session.line().await {
            if !command(session, &mut mail, &line).await? {
                break;
            }
        }
        Ok(())
    }
}

/// Does what one line asks; false when it was the last.
async fn command(session: &mut Session<'_>, mail: &mut Mail, line: &[u8]) -> io::Result<bool> {
    let (word, rest) = verb(line);
    let answer = match &word[..] {
        "HELO" => format!("250 {}", session.talk.banner_name()),
        "EHLO" | "LHLO" => extensions(session),
        "MAIL" | "SEND" | "SOML" | "SAML" => {
            *mail = Mail::default();
            mail.envelope.push(("from", address(rest)));
            "250 2.1.0 Ok".to_owned()
        }
        "RCPT" => {
            if mail.envelope.len() <= RECIPIENTS {
                mail.envelope.push(("to", address(rest)));
            }
            "250 2.1.5 Ok".to_owned()
        }
        "RSET" => {
            *mail = Mail::default();
            "250 2.0.0 Ok".to_owned()
        }
        "NOOP" => "250 2.0.0 Ok".to_owned(),
        "VRFY" => format!("252 2.0.0 {}", String::from_utf8_lossy(rest)),
        "HELP" => "214 2.0.0 https://www.postfix.org/".to_owned(),
        "DATA" => return data(session, mail, line).await.map(|()| true),
        "BDAT" => return chunk(session, mail, line, rest).await,
        "AUTH" => return authenticate(session, line, rest).await.map(|()| true),
        "STARTTLS" if !session.talk.secure => {
            session.answer(line, "220 2.0.0 Ready to start TLS").await?;
            session.start_tls(LAYER, Protocol::Smtp).await?;
            *mail = Mail::default();
            return Ok(true);
        }
        "QUIT" => {
            session.answer(line, "221 2.0.0 Bye").await?;
            return Ok(false);
        }
        "EXPN" | "ETRN" | "TURN" | "ATRN" | "STARTTLS" => {
            "502 5.5.1 Error: command not implemented".to_owned()
        }
        _ => "500 5.5.2 Error: command not recognized".to_owned(),
    };
    session.answer(line, &answer).await?;
    Ok(true)
}

fn extensions(session: &Session<'_>) -> String {
    let mut lines = format!(
        "250-{}\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n",
        session.talk.banner_name()
    );
    if !session.talk.secure {
        lines.push_str("250-STARTTLS\r\n");
    }
    lines.push_str(&format!("250-AUTH {}\r\n", MECHANISMS.join(" ")));
    lines.push_str(
        "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-CHUNKING\r\n250 SMTPUTF8",
    );
    lines
}

/// The address in `FROM:<kim@example.test> SIZE=3`.
fn address(argument: &[u8]) -> Vec<u8> {
    let after = argument
        .iter()
        .position(|b| *b == b':')
        .map_or(argument, |at| &argument[at + 1..]);
    let inner = after.trim_ascii();
    let inner = inner.strip_prefix(b"<").unwrap_or(inner);
    let end = inner
        .iter()
        .position(|b| matches!(b, b'>' | b' '))
        .unwrap_or(inner.len());
    inner[..end].to_vec()
}

async fn authenticate(session: &mut Session<'_>, line: &[u8], rest: &[u8]) -> io::Result<()> {
    let words = Words {
        ask: "334",
        done: "235 2.7.0 Authentication successful",
        failed: "501 5.5.4 Syntax: AUTH mechanism",
    };
    sasl::authenticate(session, line, rest, words).await
}

/// Reads a mail up to the line that is a dot.
async fn data(session: &mut Session<'_>, mail: &mut Mail, line: &[u8]) -> io::Result<()> {
    session
        .say("354 End data with <CR><LF>.<CR><LF>\r\n")
        .await?;
    let mut body = session.body();
    let mut whole = false;
    let mut fresh = true;
    while let Some(text) = session.content_line().await {
        if fresh && matches!(&text[..], b".\r\n" | b".\n") {
            whole = true;
            break;
        }
        let stuffed = fresh && text.first() == Some(&b'.');
        body.push(&text[usize::from(stuffed)..]);
        fresh = text.last() == Some(&b'\n');
    }
    taken(session, mail, line, body, whole).await
}

/// Reads a piece of a mail whose length was said; false when the stream ends.
async fn chunk(
    session: &mut Session<'_>,
    mail: &mut Mail,
    line: &[u8],
    rest: &[u8],
) -> io::Result<bool> {
    let text = String::from_utf8_lossy(rest).to_ascii_uppercase();
    let mut words = text.split_ascii_whitespace();
    let Some(length) = words.next().and_then(|digits| digits.parse().ok()) else {
        session
            .answer(line, "501 5.5.4 Syntax: BDAT count [LAST]")
            .await?;
        return Ok(true);
    };
    let mut body = mail.chunks.take().unwrap_or_else(|| session.body());
    let whole = session.content(length, &mut body).await;
    if words.next() == Some("LAST") || !whole {
        taken(session, mail, line, body, whole).await?;
        return Ok(whole);
    }
    mail.chunks = Some(body);
    session
        .answer(line, &format!("250 2.0.0 {length} bytes"))
        .await?;
    Ok(true)
}

/// Records a mail with its parts, and says it is on its way.
async fn taken(
    session: &mut Session<'_>,
    mail: &mut Mail,
    command: &[u8],
    body: Held,
    whole: bool,
) -> io::Result<()> {
    let parsed = mime::parts(body.as_slice());
    let mut fields = std::mem::take(&mut mail.envelope);
    fields.extend(parsed.subject.map(|subject| ("subject", subject)));
    let answer = match whole {
        true => format!("250 2.0.0 Ok: queued as 4Xr{:08X}", body.total),
        false => "none: the mail was cut short".to_owned(),
    };
    session
        .note(Said {
            command,
            fields,
            body: Some(body),
            answer: &answer,
        })
        .await;
    for part in parsed.parts {
        let mut body = session.body();
        body.push(&part.content);
        let command = [b"part ", &part.kind[..]].concat();
        let fields = part
            .name
            .map(|name| ("filename", name))
            .into_iter()
            .collect();
        session
            .note(Said {
                command: &command,
                fields,
                body: Some(body),
                answer: "",
            })
            .await;
    }
    if parsed.cut {
        session.talk.record.with(|flow| flow.truncated = true);
    }
    match whole {
        true => session.say(format!("{answer}\r\n")).await,
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_with_and_without_brackets() {
        assert_eq!(address(b"FROM:<kim@a.test> SIZE=3"), b"kim@a.test");
        assert_eq!(address(b"TO: kim@a.test"), b"kim@a.test");
        assert_eq!(address(b"FROM:<>"), b"");
        assert_eq!(address(b""), b"");
    }
}
