//! A chat server with one operator in every channel, who gives a newcomer one harmless order.

use std::io;

use apa_model::Protocol;

use super::Guess;
use super::sasl::{Sasl, Step};
use super::session::{Dialogue, Said, Session, starts_with_word, verb};

/// The operator, and the order: a bot that obeys shows how it is told to run programs.
const OPERATOR: &str = "ops";
const ORDER: &str = "!exec id";
/// Channels that one message may join.
const CHANNELS: usize = 32;

pub(crate) struct Irc;

/// Who the client says it is.
#[derive(Default)]
struct Guest {
    nick: String,
    user: String,
    /// It negotiates, and is welcomed when it is through.
    negotiating: bool,
    welcomed: bool,
    ordered: bool,
    sasl: Option<Sasl>,
}

impl Dialogue for Irc {
    fn name(&self) -> &'static str {
        "irc"
    }

    fn speaks(&self) -> Protocol {
        Protocol::Irc
    }

    fn recognises(&self, first: &[u8], port: u16) -> Guess {
        match starts_with_word(first, &["NICK", "CAP", "PASS", "JOIN", "PRIVMSG", "USER"]) {
            Guess::Yes if verb(first).0 == "USER" => user(first, port),
            guess => guess,
        }
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        let mut guest = Guest::default();
        let server = session.talk.banner_name();
        while let Some(line) = session.line().await {
            if line.is_empty() {
                continue;
            }
            let said = say(&mut guest, &server, &line);
            if let Some(text) = said.pieces {
                session.pieces(vec![text]);
            }
            let command = Said {
                command: &line,
                fields: said.fields,
                body: None,
                answer: &said.answer,
            };
            session.note(command).await;
            session.say(&said.answer).await?;
            if said.last {
                break;
            }
        }
        Ok(())
    }
}

/// `USER a 0 * :b` is chat, `USER a` is a file or mail server's.
fn user(first: &[u8], port: u16) -> Guess {
    let Some(end) = first.iter().position(|b| *b == b'\n') else {
        return Guess::Maybe;
    };
    let words = first[..end]
        .split(|b| *b == b' ')
        .filter(|word| !word.is_empty())
        .count();
    if words >= 4 || matches!(port, 194 | 6660..=6669 | 6697) {
        Guess::Yes
    } else {
        Guess::No
    }
}

/// What follows from one line.
#[derive(Default)]
struct Answer {
    answer: String,
    fields: Vec<(&'static str, Vec<u8>)>,
    /// Text sent to others: perhaps one piece of something.
    pieces: Option<Vec<u8>>,
    last: bool,
}

fn say(guest: &mut Guest, server: &str, line: &[u8]) -> Answer {
    // A client may name itself in front.
    let line = match line.strip_prefix(b":") {
        Some(rest) => &rest[rest.iter().position(|b| *b == b' ').unwrap_or(rest.len())..],
        None => line,
    };
    let (word, rest) = verb(line);
    let arguments = arguments(rest);
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    let nick = if guest.nick.is_empty() {
        "*".to_owned()
    } else {
        guest.nick.clone()
    };
    let number = |code: &str, text: &str| format!(":{server} {code} {nick} {text}\r\n");
    let mut said = Answer::default();
    said.answer = match &word[..] {
        "NICK" => {
            let before = std::mem::replace(&mut guest.nick, argument(0).to_owned());
            said.fields.push(("nick", argument(0).into()));
            match guest.welcomed {
                true => format!(":{before}!{}@host NICK :{}\r\n", guest.user, guest.nick),
                false => String::new(),
            }
        }
        "USER" => {
            guest.user = argument(0).to_owned();
            said.fields = vec![("user", argument(0).into()), ("name", argument(3).into())];
            String::new()
        }
        "PASS" => {
            said.fields.push(("password", argument(0).into()));
            String::new()
        }
        "CAP" => capabilities(guest, server, &nick, &arguments),
        "AUTHENTICATE" => authenticate(guest, &nick, server, argument(0), &mut said.fields),
        "PING" => format!(":{server} PONG {server} :{}\r\n", argument(0)),
        "JOIN" => argument(0)
            .split(',')
            .take(CHANNELS)
            .map(|channel| joined(guest, server, channel))
            .collect(),
        "PART" => format!(":{nick}!{}@host PART {}\r\n", guest.user, argument(0)),
        "NAMES" => names(server, &nick, argument(0)),
        "TOPIC" => number("332", &format!("{} :.", argument(0))),
        "WHO" => {
            number(
                "352",
                &format!(
                    "{0} ~{OPERATOR} net.example {server} {OPERATOR} H@ :0 {OPERATOR}",
                    argument(0)
                ),
            ) + &number("315", &format!("{} :End of /WHO list.", argument(0)))
        }
        "WHOIS" => {
            number("311", &format!("{0} ~{0} net.example * :{0}", argument(0)))
                + &number("318", &format!("{} :End of /WHOIS list.", argument(0)))
        }
        "LIST" => {
            number("321", "Channel :Users  Name")
                + &number("322", "#main 2 :.")
                + &number("323", ":End of /LIST")
        }
        "MODE" if argument(0).starts_with(['#', '&']) => {
            number("324", &format!("{} +nt", argument(0)))
        }
        "MODE" => number("221", "+i"),
        "OPER" => {
            said.fields = vec![
                ("user", argument(0).into()),
                ("password", argument(1).into()),
            ];
            number("381", ":You are now an IRC operator")
        }
        "MOTD" => motd(server, &nick),
        "LUSERS" => number("251", ":There are 2 users and 0 invisible on 1 servers"),
        "VERSION" => number("351", &format!("InspIRCd-3. {server} :")),
        "USERHOST" => number("302", &format!(":{0}=+{0}@host", argument(0))),
        "ISON" => number("303", &format!(":{}", argument(0))),
        "PRIVMSG" | "NOTICE" => told(&nick, &arguments, &mut said),
        "QUIT" => {
            said.last = true;
            format!("ERROR :Closing Link: {nick} (Quit: {})\r\n", argument(0))
        }
        "PONG" | "AWAY" | "KICK" | "INVITE" => String::new(),
        _ => number("421", &format!("{word} :Unknown command")),
    };
    if !guest.welcomed && !guest.negotiating && !guest.nick.is_empty() && !guest.user.is_empty() {
        guest.welcomed = true;
        said.answer.push_str(&welcome(server, &guest.nick));
    }
    said
}

/// The words of a message; one after a colon goes to the end.
fn arguments(rest: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(rest).into_owned();
    let (words, trailing) = match text
        .strip_prefix(':')
        .map(|t| ("", t))
        .or_else(|| text.split_once(" :"))
    {
        Some((words, trailing)) => (words, Some(trailing)),
        None => (&text[..], None),
    };
    let words = words.split_ascii_whitespace().take(16).map(str::to_owned);
    words.chain(trailing.map(str::to_owned)).collect()
}

fn capabilities(guest: &mut Guest, server: &str, nick: &str, arguments: &[String]) -> String {
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    guest.negotiating = !guest.welcomed;
    match &argument(0).to_ascii_uppercase()[..] {
        "LS" => format!(":{server} CAP {nick} LS :sasl=PLAIN multi-prefix server-time\r\n"),
        "REQ" => format!(":{server} CAP {nick} ACK :{}\r\n", arguments[1..].join(" ")),
        "LIST" => format!(":{server} CAP {nick} LIST :\r\n"),
        _ => {
            guest.negotiating = false;
            String::new()
        }
    }
}

fn authenticate(
    guest: &mut Guest,
    nick: &str,
    server: &str,
    argument: &str,
    fields: &mut Vec<(&'static str, Vec<u8>)>,
) -> String {
    let step = match &mut guest.sasl {
        Some(sasl) => sasl.next(argument.as_bytes()),
        None => {
            let (sasl, step) = Sasl::start(argument, None);
            guest.sasl = Some(sasl);
            step
        }
    };
    match step {
        Step::Ask(challenge) if challenge.is_empty() => "AUTHENTICATE +\r\n".to_owned(),
        Step::Ask(challenge) => format!("AUTHENTICATE {challenge}\r\n"),
        Step::Done(found) => {
            *fields = found;
            guest.sasl = None;
            format!(
                ":{server} 900 {nick} {nick}!u@host {nick} :You are now logged in\r\n:{server} 903 {nick} :SASL authentication successful\r\n"
            )
        }
        Step::Failed => {
            guest.sasl = None;
            format!(":{server} 904 {nick} :SASL authentication failed\r\n")
        }
    }
}

fn welcome(server: &str, nick: &str) -> String {
    let mut lines = String::new();
    for (code, text) in [
        ("001", format!(":Welcome to the network {nick}")),
        ("002", format!(":Your host is {server}, running version InspIRCd-3")),
        ("003", ":This server was created 08:14:00 Nov 02 2026".to_owned()),
        ("004", format!("{server} InspIRCd-3 iosw biklmnopstv")),
        ("005", "CHANTYPES=# PREFIX=(ov)@+ NICKLEN=30 CASEMAPPING=rfc1459 :are supported by this server".to_owned()),
    ] {
        lines.push_str(&format!(":{server} {code} {nick} {text}\r\n"));
    }
    lines + &motd(server, nick)
}

fn motd(server: &str, nick: &str) -> String {
    format!(
        ":{server} 375 {nick} :{server} message of the day\r\n:{server} 372 {nick} :- Welcome.\r\n:{server} 376 {nick} :End of message of the day.\r\n"
    )
}

fn names(server: &str, nick: &str, channel: &str) -> String {
    format!(
        ":{server} 353 {nick} = {channel} :@{OPERATOR} {nick}\r\n:{server} 366 {nick} {channel} :End of /NAMES list.\r\n"
    )
}

/// Lets the client into a channel; in the first one it gets its order.
fn joined(guest: &mut Guest, server: &str, channel: &str) -> String {
    let nick = &guest.nick;
    let mut lines = format!(
        ":{nick}!{}@host JOIN {channel}\r\n:{server} 332 {nick} {channel} :.\r\n",
        guest.user
    );
    lines.push_str(&names(server, nick, channel));
    if !std::mem::replace(&mut guest.ordered, true) {
        lines.push_str(&format!(
            ":{OPERATOR}!~{OPERATOR}@net.example PRIVMSG {channel} :{ORDER}\r\n"
        ));
    }
    lines
}

/// Notes a message to somebody; the service for nicknames answers.
fn told(nick: &str, arguments: &[String], said: &mut Answer) -> String {
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    said.fields.push(("to", argument(0).into()));
    said.pieces = Some(argument(1).into());
    let mut words = argument(1).split(' ');
    if !argument(0).eq_ignore_ascii_case("nickserv")
        || !words
            .next()
            .is_some_and(|w| w.eq_ignore_ascii_case("identify"))
    {
        return String::new();
    }
    said.fields
        .push(("password", words.next_back().unwrap_or_default().into()));
    format!(":NickServ!services@net.example NOTICE {nick} :You are now identified.\r\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(lines: &[&str]) -> Vec<String> {
        let mut guest = Guest::default();
        lines
            .iter()
            .map(|line| say(&mut guest, "irc.test", line.as_bytes()).answer)
            .collect()
    }

    #[test]
    fn registration_ends_with_the_end_of_the_message_of_the_day() {
        for order in [["NICK bot", "USER a 0 * :A"], ["USER a 0 * :A", "NICK bot"]] {
            let answers = all(&order);
            assert_eq!(answers[0], "");
            assert!(answers[1].contains(" 001 bot ") && answers[1].contains(" 376 bot "));
        }
    }

    #[test]
    fn negotiation_delays_the_welcome() {
        let answers = all(&[
            "CAP LS 302",
            "NICK b",
            "USER a 0 * :A",
            "CAP REQ :sasl",
            "AUTHENTICATE PLAIN",
            "AUTHENTICATE AGtpbQBwdw==",
            "CAP END",
        ]);
        assert!(answers[0].contains("LS :sasl"));
        assert_eq!(answers[2], "");
        assert!(answers[3].contains("ACK :sasl") && answers[5].contains(" 903 "));
        assert!(answers[6].contains(" 001 "));
    }

    #[test]
    fn one_order_is_given_however_many_channels_are_joined() {
        let text = all(&["NICK b", "USER a 0 * :A", "JOIN #a,#b", "JOIN #c"]).concat();
        assert_eq!(text.matches(ORDER).count(), 1);
        assert_eq!(text.matches(" 366 ").count(), 3);
    }

    proptest! {
        #[test]
        fn no_line_panics(lines: Vec<Vec<u8>>, word in "(CAP|CAP REQ|JOIN|PRIVMSG|AUTHENTICATE|MODE|:x) ?.{0,20}") {
            let mut guest = Guest::default();
            say(&mut guest, "s", word.as_bytes());
            for line in lines {
                say(&mut guest, "s", &line);
                Dialogue::recognises(&Irc, &line, 6667);
            }
        }
    }
}
