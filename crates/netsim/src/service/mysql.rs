//! MySQL: everybody may log in; statements are kept, and answered as by a database that holds nothing.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::session::{Dialogue, Said, Session};
use super::sql::{self, Answer};

const NAME: &str = "mysql";
const VERSION: &str = "8.0.39-0ubuntu0.22.04.1";
/// What we can: the long forms, a database in the login, TLS, plugins.
const ABILITIES: u32 = 0x0008_aa0d;
const TLS: u32 = 0x800;
const WITH_DATABASE: u32 = 8;
const COUNTED: u32 = 0x0020_0000;
/// Bytes of one packet that are read.
const PACKET: usize = 512 << 10;

pub(crate) struct Mysql;

impl Dialogue for Mysql {
    fn name(&self) -> &'static str {
        NAME
    }

    fn speaks(&self) -> Protocol {
        Protocol::Mysql
    }

    fn recognises(&self, _: &[u8], _: u16) -> Guess {
        // A client says nothing before the server.
        Guess::No
    }

    fn greets(&self, port: u16, _: bool) -> bool {
        matches!(port, 3306 | 33060)
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        session.say(packet(0, &greeting())).await?;
        let Some((mut number, mut login)) = read(session).await else {
            return Ok(());
        };
        let abilities = |login: &[u8]| {
            login
                .first_chunk()
                .map_or(0, |four| u32::from_le_bytes(*four))
        };
        if abilities(&login) & TLS != 0 && login.len() <= 32 && !session.talk.secure {
            session.start_tls(NAME, Protocol::Mysql).await?;
            let Some(again) = read(session).await else {
                return Ok(());
            };
            (number, login) = again;
        }
        session
            .note(Said {
                command: b"login",
                fields: credentials(&login),
                answer: "let in",
                body: None,
            })
            .await;
        session.say(packet(number.wrapping_add(1), OK)).await?;
        while let Some((number, command)) = read(session).await {
            if !answer(session, number, &command).await? {
                break;
            }
        }
        Ok(())
    }
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0];

async fn answer(session: &mut Session<'_>, number: u8, command: &[u8]) -> io::Result<bool> {
    let (kind, text) = command.split_first().unwrap_or((&0, b""));
    let reply = match kind {
        1 => return Ok(false),
        3 => {
            let statement = String::from_utf8_lossy(text).into_owned();
            let (reply, shown) = match sql::answer(&statement, VERSION) {
                Answer::Rows(columns, rows) => (
                    result(number, &columns, &rows),
                    format!("{} rows", rows.len()),
                ),
                Answer::Done(done) => (packet(number.wrapping_add(1), OK), done.to_owned()),
            };
            session
                .note(Said {
                    command: text,
                    answer: &shown,
                    ..Said::default()
                })
                .await;
            session.pieces(vec![text.to_vec()]);
            return session.say(reply).await.map(|()| true);
        }
        2 | 14 | 31 => OK.to_vec(),
        4 => END.to_vec(),
        _ => [&b"\xff\x17\x04#HY000"[..], b"Unsupported command"].concat(),
    };
    session.say(packet(number.wrapping_add(1), &reply)).await?;
    Ok(true)
}

/// A packet's number and content; `None` at the end.
async fn read(session: &mut Session<'_>) -> Option<(u8, Vec<u8>)> {
    let head = session.take(4).await?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    if length > PACKET {
        session.talk.record.with(|flow| flow.truncated = true);
        return None;
    }
    Some((head[3], session.take(length).await?))
}

fn packet(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(0).to_le_bytes();
    [&length[..3], &[number], content].concat()
}

fn greeting() -> Vec<u8> {
    let mut out = vec![10];
    out.extend_from_slice(VERSION.as_bytes());
    out.extend_from_slice(b"\0\x2a\0\0\0k3dP:y;2\0");
    let [low, high, third, fourth] = ABILITIES.to_le_bytes();
    out.extend_from_slice(&[low, high, 33, 2, 0, third, fourth, 21]);
    out.extend_from_slice(b"\0\0\0\0\0\0\0\0\0\0t0Jv4)dLz~Rb\0mysql_native_password\0");
    out
}

/// Who logs in, with what, where.
fn credentials(login: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let abilities = login
        .first_chunk()
        .map_or(0, |four| u32::from_le_bytes(*four));
    let rest = login.get(32..).unwrap_or_default();
    let (user, rest) = to_zero(rest);
    let mut fields = vec![("user", user.to_vec())];
    // Lengths below 251 are written in one byte in both forms.
    let (length, rest) = rest
        .split_first()
        .map_or((0, rest), |(length, rest)| (usize::from(*length), rest));
    let length = length.min(rest.len());
    if length > 0 {
        let hex: String = rest[..length].iter().map(|b| format!("{b:02x}")).collect();
        fields.push((
            if abilities & COUNTED != 0 {
                "scramble"
            } else {
                "password"
            },
            hex.into_bytes(),
        ));
    }
    if abilities & WITH_DATABASE != 0 {
        fields.push(("database", to_zero(&rest[length..]).0.to_vec()));
    }
    fields
}

fn to_zero(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn result(number: u8, columns: &[&str], rows: &[Vec<String>]) -> Vec<u8> {
    let mut number = number;
    let mut out = Vec::new();
    let mut add = |content: &[u8]| {
        number = number.wrapping_add(1);
        out.extend(packet(number, content));
    };
    add(&[u8::try_from(columns.len()).unwrap_or(1)]);
    for column in columns {
        let mut content = b"\x03def\0\0\0".to_vec();
        content.extend(counted(column));
        content.push(0);
        content.extend_from_slice(&[12, 33, 0, 0, 1, 0, 0, 253, 0, 0, 0, 0, 0]);
        add(&content);
    }
    add(END);
    for row in rows {
        add(&row
            .iter()
            .flat_map(|value| counted(value))
            .collect::<Vec<u8>>());
    }
    add(END);
    out
}

/// Text with its length; ours is all shorter than 251 bytes.
fn counted(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len().min(250)).unwrap_or(0);
    [&[length], &text.as_bytes()[..usize::from(length)]].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_are_read_from_a_login() {
        let mut login = (COUNTED | WITH_DATABASE).to_le_bytes().to_vec();
        login.resize(32, 0);
        login.extend_from_slice(b"kim\0\x02\xab\xcdshop\0mysql_native_password\0");
        let expected = [
            ("user", &b"kim"[..]),
            ("scramble", b"abcd"),
            ("database", b"shop"),
        ];
        assert_eq!(
            credentials(&login),
            expected.map(|(name, value)| (name, value.to_vec()))
        );
    }

    proptest! {
        #[test]
        fn no_login_panics(bytes: Vec<u8>, flags: u32) {
            credentials(&bytes);
            credentials(&[&flags.to_le_bytes()[..], &[0; 28], &bytes].concat());
        }
    }
}
