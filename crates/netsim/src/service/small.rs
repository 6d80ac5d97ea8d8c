//! The small services of old: each is one answer. The same answers go out by datagram.

use std::io;

use apa_model::Protocol;
use time::OffsetDateTime;

use super::Guess;
use super::datagram::CENTURY;
use super::session::{Dialogue, Said, Session};

/// Bytes of the endless one.
const CHARGEN: usize = 256 << 10;
const QUOTE: &str = "\"The best way out is always through.\" Robert Frost\r\n";

/// One of them.
pub(crate) struct Small {
    name: &'static str,
    port: u16,
    /// The server speaks, and ends.
    greets: bool,
}

/// All of them.
pub(crate) const ECHO: Small = small("echo", 7, false);
pub(crate) const DISCARD: Small = small("discard", 9, false);
pub(crate) const DAYTIME: Small = small("daytime", 13, true);
pub(crate) const QUOTD: Small = small("quotd", 17, true);
pub(crate) const CHARACTERS: Small = small("chargen", 19, true);
pub(crate) const TIME: Small = small("time", 37, true);
pub(crate) const FINGER: Small = small("finger", 79, false);
pub(crate) const IDENT: Small = small("ident", 113, false);
pub(crate) const SYSLOG: Small = small("syslog", 514, false);

const fn small(name: &'static str, port: u16, greets: bool) -> Small {
    Small { name, port, greets }
}

impl Dialogue for Small {
    fn name(&self) -> &'static str {
        self.name
    }

    fn speaks(&self) -> Protocol {
        match self.name {
            "syslog" => Protocol::Syslog,
            _ => Protocol::Simple,
        }
    }

    fn recognises(&self, first: &[u8], port: u16) -> Guess {
        match port == self.port && !self.greets {
            true if first.is_empty() => Guess::Maybe,
            true => Guess::Yes,
            false => Guess::No,
        }
    }

    fn greets(&self, port: u16, _: bool) -> bool {
        self.greets && port == self.port
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        match self.name {
            "echo" => {
                while let Some(bytes) = session.some().await {
                    session
                        .note(Said {
                            command: &bytes,
                            ..Said::default()
                        })
                        .await;
                    session.say(bytes).await?;
                }
                Ok(())
            }
            "discard" | "syslog" => {
                while let Some(line) = session.line().await {
                    session
                        .note(Said {
                            command: &line,
                            ..Said::default()
                        })
                        .await;
                }
                Ok(())
            }
            "finger" | "ident" => {
                let Some(line) = session.line().await else {
                    return Ok(());
                };
                let answer = asked(self.name, &line);
                session
                    .note(Said {
                        command: &line,
                        answer: &answer,
                        ..Said::default()
                    })
                    .await;
                session.say(answer).await
            }
            "chargen" => {
                let mut sent = 0;
                for start in 0.. {
                    let line = characters(start);
                    sent += line.len();
                    session.say(line).await?;
                    if sent > CHARGEN {
                        break;
                    }
                }
                Ok(())
            }
            name => {
                session
                    .say(told(name, session.talk.shared.config.clock.now()))
                    .await
            }
        }
    }
}

/// What is answered to a line.
fn asked(name: &str, line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    match name {
        "ident" => format!("{text} : USERID : UNIX : root\r\n"),
        _ => format!(
            "Login: {text:<26}Name: {text}\r\nDirectory: /home/{text}      Shell: /bin/bash\r\nNo mail.\r\nNo Plan.\r\n"
        ),
    }
}

/// What is said to whoever calls.
fn told(name: &str, now: OffsetDateTime) -> Vec<u8> {
    match name {
        "time" => {
            let seconds =
                u32::try_from((now.unix_timestamp() + CENTURY) & 0xffff_ffff).unwrap_or(0);
            seconds.to_be_bytes().to_vec()
        }
        "daytime" => {
            let (hour, minute, second) = now.to_hms();
            format!(
                "{}, {} {}, {} {hour:02}:{minute:02}:{second:02}-UTC\r\n",
                now.weekday(),
                now.month(),
                now.day(),
                now.year()
            )
            .into_bytes()
        }
        _ => QUOTE.as_bytes().to_vec(),
    }
}

/// A line of the pattern.
fn characters(start: usize) -> String {
    let printable = (0x20..0x7f_u8).cycle().skip(start % 95).take(72);
    printable.map(char::from).chain(['\r', '\n']).collect()
}

/// The answer to a datagram on one of their ports, with the service's name; `None` elsewhere.
pub(crate) fn datagram(
    bytes: &[u8],
    port: u16,
    now: OffsetDateTime,
) -> Option<(&'static str, Option<Vec<u8>>)> {
    let all = [ECHO, DISCARD, DAYTIME, QUOTD, CHARACTERS, TIME, SYSLOG];
    let service = all.into_iter().find(|service| service.port == port)?;
    let answer = match service.name {
        "echo" => Some(bytes.to_vec()),
        "discard" | "syslog" => None,
        "chargen" => Some(characters(0).into_bytes()),
        name => Some(told(name, now)),
    };
    Some((service.name, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_counted_from_1900() {
        let epoch = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(told("time", epoch), 2_208_988_800_u32.to_be_bytes());
        assert_eq!(
            told("daytime", epoch),
            b"Thursday, January 1, 1970 00:00:00-UTC\r\n"
        );
    }

    #[test]
    fn the_pattern_moves_on_by_one() {
        assert_eq!(characters(1)[..3], characters(0)[1..4]);
        assert_eq!(characters(0).len(), 74);
    }
}
