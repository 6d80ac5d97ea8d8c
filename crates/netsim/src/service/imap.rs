//! A mailbox to read mail in.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::mailbox::{HEADER, TEXT, mail};
use super::sasl::{self, Words};
use super::session::{Dialogue, Said, Session, verb};
use crate::record::Held;

const LAYER: &str = "imap";
/// Literals in one command, and bytes of one that is part of the command itself.
const LITERALS: usize = 8;
const LITERAL: u64 = 16 << 10;

const COMMANDS: &[&str] = &[
    "CAPABILITY",
    "LOGIN",
    "AUTHENTICATE",
    "STARTTLS",
    "NOOP",
    "LOGOUT",
    "ID",
    "SELECT",
    "EXAMINE",
    "LIST",
];

pub(crate) struct Imap;

impl Dialogue for Imap {
    fn name(&self) -> &'static str {
        LAYER
    }

    fn speaks(&self) -> Protocol {
        Protocol::Imap
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        let end = first.iter().position(|b| matches!(b, b'\r' | b'\n'));
        let mut words = first[..end.unwrap_or(first.len())].split(|b| *b == b' ');
        let tag = words.next().unwrap_or_default();
        let command = words.next().unwrap_or_default();
        let plausible = (1..=12).contains(&tag.len())
            && tag.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'.');
        let known = COMMANDS
            .iter()
            .any(|known| command.eq_ignore_ascii_case(known.as_bytes()));
        match (plausible && known, end) {
            (true, Some(_)) => Guess::Yes,
            (true, None) => Guess::Maybe,
            _ => Guess::No,
        }
    }

    fn greets(&self, port: u16, secure: bool) -> bool {
        port == 143 || (port == 993 && secure)
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        let capabilities = capabilities(session);
        session
            .say(format!("* OK [CAPABILITY {capabilities}] IMAP ready.\r\n"))
            .await?;
        while let Some((line, content)) = read(session).await? {
            let (tag, rest) =
                line.split_at(line.iter().position(|b| *b == b' ').unwrap_or(line.len()));
            let tag = String::from_utf8_lossy(&tag[..tag.len().min(32)]).into_owned();
            let request = Request {
                tag,
                line: &line,
                rest: rest.trim_ascii(),
                content,
            };
            if !command(session, request).await? {
                break;
            }
        }
        Ok(())
    }
}

struct Request<'r> {
    tag: String,
    line: &'r [u8],
    /// Without the tag.
    rest: &'r [u8],
    /// The last literal of a command that stores a mail.
    content: Option<Held>,
}

fn capabilities(session: &Session<'_>) -> &'static str {
    match session.talk.secure {
        true => "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS AUTH=PLAIN AUTH=LOGIN",
        false => {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS STARTTLS AUTH=PLAIN AUTH=LOGIN"
        }
    }
}

/// A command with its literals: a mail apart, others in their place.
async fn read(session: &mut Session<'_>) -> io::Result<Option<(Vec<u8>, Option<Held>)>> {
    let Some(mut line) = session.line().await else {
        return Ok(None);
    };
    let mut content = None;
    for _ in 0..LITERALS {
        let Some((length, waits)) = literal(&line) else {
            break;
        };
        if waits {
            session.say("+ Ready for literal data\r\n").await?;
        }
        let stores = String::from_utf8_lossy(&line)
            .to_ascii_uppercase()
            .contains(" APPEND ");
        if stores && length > 0 {
            let mut body = session.body();
            if !session.content(length, &mut body).await {
                return Ok(None);
            }
            content = Some(body);
        } else {
            let length = usize::try_from(length.min(LITERAL)).unwrap_or_default();
            let Some(bytes) = session.take(length).await else {
                return Ok(None);
            };
            line.extend_from_slice(&bytes);
        }
        let Some(rest) = session.line().await else {
            return Ok(Some((line, content)));
        };
        line.extend_from_slice(&rest);
        if content.is_some() {
            break;
        }
    }
    Ok(Some((line, content)))
}

/// The length in a `{12}` at the end of a line, and whether the client waits to be asked for it.
fn literal(line: &[u8]) -> Option<(u64, bool)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    let digits = &inner[open + 1..];
    let plain = digits.strip_suffix(b"+").unwrap_or(digits);
    let length = std::str::from_utf8(plain).ok()?.parse().ok()?;
    Some((length, plain.len() == digits.len()))
}

/// Does what one command asks; false when it was the last.
async fn command(session: &mut Session<'_>, request: Request<'_>) -> io::Result<bool> {
    let Request {
        tag,
        line,
        rest,
        content,
    } = request;
    let (word, arguments) = verb(rest);
    let (word, arguments) = match &word[..] {
        "UID" => verb(arguments),
        _ => (word, arguments),
    };
    let mut fields = Vec::new();
    let untagged = match &word[..] {
        "CAPABILITY" => format!("* CAPABILITY {}\r\n", capabilities(session)),
        "ID" => "* ID (\"name\" \"Dovecot\")\r\n".to_owned(),
        "NAMESPACE" => "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n".to_owned(),
        "LOGIN" => {
            let mut words = strings(arguments).into_iter();
            fields = vec![("user", words.next().unwrap_or_default()), ("password", words.next().unwrap_or_default())];
            String::new()
        }
        "AUTHENTICATE" => return authenticate(session, &tag, line, arguments).await.map(|()| true),
        "LIST" | "LSUB" | "XLIST" => {
            format!("* {word} (\\HasNoChildren) \"/\" \"INBOX\"\r\n* {word} (\\HasNoChildren) \"/\" \"Sent\"\r\n")
        }
        "SELECT" | "EXAMINE" => "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* 1 EXISTS\r\n* 0 RECENT\r\n\
* OK [UIDVALIDITY 1762070400] UIDs valid\r\n* OK [UIDNEXT 2] Predicted next UID\r\n"
            .to_owned(),
        "STATUS" => {
            let name = strings(arguments).into_iter().next().unwrap_or_default();
            let name = String::from_utf8_lossy(&name).replace(['"', '\\', '\r', '\n'], "");
            format!("* STATUS \"{name}\" (MESSAGES 1 RECENT 0 UIDNEXT 2 UIDVALIDITY 1762070400 UNSEEN 0)\r\n")
        }
        "SEARCH" => "* SEARCH 1\r\n".to_owned(),
        "FETCH" => fetched(arguments),
        "STARTTLS" if !session.talk.secure => {
            session.answer(line, &format!("{tag} OK Begin TLS negotiation now.")).await?;
            session.start_tls(LAYER, Protocol::Imap).await?;
            return Ok(true);
        }
        "IDLE" => {
            session.say("+ idling\r\n").await?;
            // `DONE`, or the end.
            if session.line().await.is_none() {
                return Ok(false);
            }
            String::new()
        }
        "LOGOUT" => {
            session.answer(line, &format!("* BYE Logging out\r\n{tag} OK Logout completed.")).await?;
            return Ok(false);
        }
        "NOOP" | "CHECK" | "CLOSE" | "UNSELECT" | "EXPUNGE" | "CREATE" | "DELETE" | "RENAME" | "SUBSCRIBE"
        | "UNSUBSCRIBE" | "STORE" | "COPY" | "MOVE" | "APPEND" | "ENABLE" => String::new(),
        _ => {
            session.answer(line, &format!("{tag} BAD Unknown command.")).await?;
            return Ok(true);
        }
    };
    let answer = format!("{untagged}{tag} OK {word} completed.");
    session
        .answer_to(Said {
            command: line,
            fields,
            body: content,
            answer: &answer,
        })
        .await?;
    Ok(true)
}

async fn authenticate(
    session: &mut Session<'_>,
    tag: &str,
    line: &[u8],
    arguments: &[u8],
) -> io::Result<()> {
    let words = Words {
        ask: "+",
        done: &format!("{tag} OK Logged in"),
        failed: &format!("{tag} NO Authentication failed."),
    };
    sasl::authenticate(session, line, arguments, words).await
}

/// What is asked of the mail in `1 (FLAGS BODY.PEEK[HEADER])`; any number stands for the only mail.
fn fetched(arguments: &[u8]) -> String {
    let asked = String::from_utf8_lossy(arguments).to_ascii_uppercase();
    let whole = mail();
    let mut items = vec!["UID 1".to_owned()];
    let size = whole.len();
    for (name, value) in [
        ("FLAGS", "FLAGS (\\Seen)".to_owned()),
        ("INTERNALDATE", "INTERNALDATE \"02-Nov-2026 08:14:00 +0000\"".to_owned()),
        ("RFC822.SIZE", format!("RFC822.SIZE {size}")),
        ("ENVELOPE", "ENVELOPE (\"Mon, 02 Nov 2026 08:14:00 +0000\" \"Welcome to your new mailbox\" ((\"Postmaster\" NIL \"postmaster\" \"mail.example\")) NIL NIL ((NIL NIL \"user\" \"mail.example\")) NIL NIL NIL NIL)".to_owned()),
        ("BODYSTRUCTURE", format!("BODYSTRUCTURE (\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" {} 3)", TEXT.len())),
    ] {
        let all = asked.contains(" ALL") && name != "BODYSTRUCTURE" || asked.contains(" FAST");
        if asked.contains(name) || all {
            items.push(value);
        }
    }
    if asked.contains("[HEADER") || asked.contains("RFC822.HEADER") {
        items.push(format!("BODY[HEADER] {{{}}}\r\n{HEADER}", HEADER.len()));
    } else if asked.contains("[TEXT]") || asked.contains("[1]") {
        let section = if asked.contains("[1]") { "1" } else { "TEXT" };
        items.push(format!("BODY[{section}] {{{}}}\r\n{TEXT}", TEXT.len()));
    } else if asked.contains("[]") {
        items.push(format!("BODY[] {{{size}}}\r\n{whole}"));
    } else if asked.ends_with("RFC822") || asked.ends_with("RFC822)") {
        items.push(format!("RFC822 {{{size}}}\r\n{whole}"));
    }
    format!("* 1 FETCH ({})\r\n", items.join(" "))
}

/// The strings of a command, quoted or not.
fn strings(arguments: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = arguments;
    while let Some((first, more)) = rest.split_first() {
        match first {
            b' ' => rest = more,
            b'{' => {
                // A literal that was put in its place: everything up to the next blank.
                let at = more
                    .iter()
                    .position(|b| *b == b'}')
                    .map_or(more.len(), |at| at + 1);
                rest = more[at..].trim_ascii_start();
            }
            b'"' => {
                let mut word = Vec::new();
                let mut bytes = more.iter().enumerate();
                let mut end = more.len();
                while let Some((at, byte)) = bytes.next() {
                    match byte {
                        b'\\' => word.extend(bytes.next().map(|(_, byte)| *byte)),
                        b'"' => {
                            end = at + 1;
                            break;
                        }
                        other => word.push(*other),
                    }
                }
                found.push(word);
                rest = &more[end..];
            }
            _ => {
                let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
                found.push(rest[..end].to_vec());
                rest = &rest[end..];
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_are_told_apart_in_every_form() {
        assert_eq!(
            strings(b"kim \"a\\\"b c\""),
            [b"kim".to_vec(), b"a\"b c".to_vec()]
        );
        assert_eq!(strings(b"{3}kim {2+}pw"), [b"kim".to_vec(), b"pw".to_vec()]);
        assert_eq!(literal(b"a APPEND x {310}"), Some((310, true)));
        assert_eq!(literal(b"a LOGIN {3+}"), Some((3, false)));
        assert_eq!(literal(b"a LOGIN {x}"), None);
    }

    #[test]
    fn only_what_was_asked_is_fetched() {
        assert_eq!(
            fetched(b"1 (FLAGS)"),
            "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"
        );
        assert!(fetched(b"1 BODY.PEEK[HEADER]").contains("BODY[HEADER] {"));
        assert!(fetched(b"1 BODY[]").ends_with("team\r\n)\r\n"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            strings(&bytes);
            literal(&bytes);
            fetched(&bytes);
            Dialogue::recognises(&Imap, &bytes, 143);
        }
    }
}
