//! A store of keys and values that keeps what it is given, for a session.

use std::collections::BTreeMap;
use std::io;

use apa_model::Protocol;

use super::Guess;
use super::session::{Dialogue, MESSAGE, Said, Session};

/// Words of one command, keys of one session.
const WORDS: usize = 1024;
const KEYS: usize = 1024;

pub(crate) struct Redis;

type Store = BTreeMap<Vec<u8>, Vec<u8>>;

impl Dialogue for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn speaks(&self) -> Protocol {
        Protocol::Redis
    }

    fn recognises(&self, first: &[u8], port: u16) -> Guess {
        if port == 6379 && matches!(first, [b'A'..=b'z', ..]) && !first.contains(&b'/') {
            return if first.contains(&b'\n') {
                Guess::Yes
            } else {
                Guess::Maybe
            };
        }
        // `*2\r\n$4\r\n`.
        let mut rest = first;
        for (mark, last) in [(b'*', false), (b'$', true)] {
            let Some((first, more)) = rest.split_first() else {
                return Guess::Maybe;
            };
            let digits = more.iter().take_while(|b| b.is_ascii_digit()).count();
            if *first != mark || digits > 7 {
                return Guess::No;
            }
            match &more[digits..] {
                [] | [b'\r'] => return Guess::Maybe,
                [b'\r', b'\n', ..] if digits > 0 && last => return Guess::Yes,
                [b'\r', b'\n', after @ ..] if digits > 0 => rest = after,
                _ => return Guess::No,
            }
        }
        Guess::No
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        let mut store = Store::new();
        while let Some(words) = read(session).await {
            if words.is_empty() {
                continue;
            }
            let (answer, fields) = answer(&words, &mut store);
            let line = words.join(&b' ');
            let shown = String::from_utf8_lossy(&answer).replace("\r\n", " ");
            session
                .note(Said {
                    command: &line,
                    fields,
                    body: None,
                    answer: &shown,
                })
                .await;
            session.pieces(words.iter().skip(1).cloned().collect());
            session.say(answer).await?;
            if words[0].eq_ignore_ascii_case(b"quit") {
                break;
            }
        }
        Ok(())
    }
}

/// The words of the next command; `None` at the end, or where the format is broken.
async fn read(session: &mut Session<'_>) -> Option<Vec<Vec<u8>>> {
    let line = session.line().await?;
    let Some(count) = line.strip_prefix(b"*") else {
        let words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
        return Some(words.map(<[u8]>::to_vec).collect());
    };
    let count: usize = number(count)?;
    let mut words = Vec::new();
    for _ in 0..count.min(WORDS) {
        let length: usize = number(session.line().await?.strip_prefix(b"$")?)?;
        if length > MESSAGE {
            return None;
        }
        words.push(session.take(length).await?);
        session.line().await?;
    }
    Some(words)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

fn answer(words: &[Vec<u8>], store: &mut Store) -> (Vec<u8>, Vec<(&'static str, Vec<u8>)>) {
    let word = |at: usize| words.get(at).cloned().unwrap_or_default();
    let name = String::from_utf8_lossy(&word(0)).to_ascii_uppercase();
    let mut fields = Vec::new();
    let answer: Vec<u8> = match &name[..] {
        "PING" if words.len() > 1 => bulk(&word(1)),
        "PING" => "+PONG\r\n".into(),
        "ECHO" => bulk(&word(1)),
        "AUTH" => {
            if words.len() > 2 {
                fields.push(("user", word(1)));
            }
            fields.push(("password", words.last().cloned().unwrap_or_default()));
            "+OK\r\n".into()
        }
        "HELLO" => "-ERR unknown command 'HELLO'\r\n".into(),
        "INFO" => bulk(b"# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nos:Linux 6.1.0 x86_64\r\n# Replication\r\nrole:master\r\n# Keyspace\r\n"),
        "SET" => {
            if store.len() < KEYS {
                store.insert(word(1), word(2));
            }
            "+OK\r\n".into()
        }
        "GET" => store.get(&word(1)).map_or_else(|| b"$-1\r\n".to_vec(), |value| bulk(value)),
        "DEL" => format!(":{}\r\n", u8::from(store.remove(&word(1)).is_some())).into(),
        "EXISTS" => format!(":{}\r\n", u8::from(store.contains_key(&word(1)))).into(),
        "DBSIZE" => format!(":{}\r\n", store.len()).into(),
        "KEYS" => list(store.keys()),
        "SCAN" => [&b"*2\r\n$1\r\n0\r\n"[..], &list(store.keys())].concat(),
        "COMMAND" => "*0\r\n".into(),
        "CONFIG" if word(1).eq_ignore_ascii_case(b"get") => list([&word(2), &setting(&word(2)).to_vec()].into_iter()),
        "INCR" | "PUBLISH" | "LPUSH" | "RPUSH" | "SADD" | "HSET" | "EXPIRE" => ":1\r\n".into(),
        _ => "+OK\r\n".into(),
    };
    (answer, fields)
}

/// Where a server keeps its file: who looks for it wants to write another.
fn setting(name: &[u8]) -> &'static [u8] {
    match name {
        b"dir" => b"/var/lib/redis",
        b"dbfilename" => b"dump.rdb",
        _ => b"",
    }
}

fn bulk(value: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
}

fn list<'v>(values: impl ExactSizeIterator<Item = &'v Vec<u8>>) -> Vec<u8> {
    let mut out = format!("*{}\r\n", values.len()).into_bytes();
    for value in values {
        out.extend(bulk(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_recognised_in_their_form() {
        let guess = |first: &[u8]| Dialogue::recognises(&Redis, first, 80);
        assert_eq!(guess(b"*1\r\n$4\r\nPING\r\n"), Guess::Yes);
        assert_eq!(guess(b"*1\r\n$"), Guess::Maybe);
        assert_eq!(guess(b"*x\r\n"), Guess::No);
        assert_eq!(guess(b"* text"), Guess::No);
    }

    proptest! {
        #[test]
        fn no_words_panic(words: Vec<Vec<u8>>, first: Vec<u8>) {
            answer(&words, &mut Store::new());
            Dialogue::recognises(&Redis, &first, 6379);
            Dialogue::recognises(&Redis, &[b"*", &first[..]].concat(), 80);
        }
    }
}
