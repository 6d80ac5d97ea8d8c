//! The exchanges by which mail and chat clients log in; every one succeeds and gives its credentials away.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::session::{Said, Session, verb};

/// A challenge without a nonce of anybody's: what is answered to it can be checked against a guessed password.
const CHALLENGE: &str = "<20480.1179402@mail>";

/// Mechanisms as they are announced.
pub(super) const MECHANISMS: &[&str] = &["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"];

/// What a mail service says in an exchange.
pub(super) struct Words<'a> {
    /// Before each challenge: `334`, `+`.
    pub(super) ask: &'a str,
    /// When the client is in.
    pub(super) done: &'a str,
    /// When it is not.
    pub(super) failed: &'a str,
}

/// Lets a client log in that said `line`; `arguments` are its mechanism and perhaps its first response.
pub(super) async fn authenticate(
    session: &mut Session<'_>,
    line: &[u8],
    arguments: &[u8],
    words: Words<'_>,
) -> io::Result<()> {
    let (mechanism, initial) = verb(arguments);
    let (mut sasl, mut step) = Sasl::start(&mechanism, (!initial.is_empty()).then_some(initial));
    loop {
        match step {
            Step::Ask(challenge) => {
                session
                    .say(format!("{} {challenge}\r\n", words.ask))
                    .await?;
                let Some(response) = session.line().await else {
                    return Ok(());
                };
                step = sasl.next(&response);
            }
            Step::Done(fields) => {
                let said = Said {
                    command: line,
                    fields,
                    answer: words.done,
                    body: None,
                };
                return session.answer_to(said).await;
            }
            Step::Failed => return session.answer(line, words.failed).await,
        }
    }
}

/// An exchange that goes on.
pub(super) struct Sasl {
    mechanism: String,
    user: Vec<u8>,
    asked: usize,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this, base64.
    Ask(String),
    /// The client is in; what it said of itself.
    Done(Vec<(&'static str, Vec<u8>)>),
    /// Nothing to be had: unknown, given up, or not base64.
    Failed,
}

impl Sasl {
    /// Starts an exchange; `initial` is the response that came along, base64.
    pub(super) fn start(mechanism: &str, initial: Option<&[u8]>) -> (Self, Step) {
        let mut sasl = Self {
            mechanism: mechanism.to_ascii_uppercase(),
            user: Vec::new(),
            asked: 0,
        };
        let step = match (&sasl.mechanism[..], initial) {
            (_, Some(initial)) => sasl.next(initial),
            ("LOGIN", None) => Step::Ask(STANDARD.encode("Username:")),
            ("CRAM-MD5", None) => Step::Ask(STANDARD.encode(CHALLENGE)),
            ("PLAIN" | "XOAUTH2" | "OAUTHBEARER" | "EXTERNAL" | "ANONYMOUS", None) => {
                Step::Ask(String::new())
            }
            _ => Step::Failed,
        };
        (sasl, step)
    }

    /// Takes one response of the client.
    pub(super) fn next(&mut self, response: &[u8]) -> Step {
        let given = match response.trim_ascii() {
            b"*" => return Step::Failed,
            b"=" | b"+" => Vec::new(),
            text => match STANDARD.decode(text) {
                Ok(given) => given,
                Err(_) => return Step::Failed,
            },
        };
        self.asked += 1;
        match &self.mechanism[..] {
            "PLAIN" => {
                let mut parts = given.split(|b| *b == 0).skip(1).map(<[u8]>::to_vec);
                let user = parts.next().unwrap_or_default();
                Step::Done(vec![
                    ("user", user),
                    ("password", parts.next().unwrap_or_default()),
                ])
            }
            "LOGIN" if self.asked == 1 => {
                self.user = given;
                Step::Ask(STANDARD.encode("Password:"))
            }
            "LOGIN" => Step::Done(vec![
                ("user", std::mem::take(&mut self.user)),
                ("password", given),
            ]),
            "CRAM-MD5" => {
                let at = given
                    .iter()
                    .rposition(|b| *b == b' ')
                    .unwrap_or(given.len());
                let digest = given.get(at + 1..).unwrap_or_default();
                Step::Done(vec![
                    ("user", given[..at].to_vec()),
                    ("cram-md5", digest.to_vec()),
                ])
            }
            "XOAUTH2" | "OAUTHBEARER" => Step::Done(vec![("token", given)]),
            "EXTERNAL" | "ANONYMOUS" => Step::Done(vec![("user", given)]),
            _ => Step::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn done(pairs: &[(&'static str, &str)]) -> Step {
        Step::Done(
            pairs
                .iter()
                .map(|(name, value)| (*name, value.as_bytes().to_vec()))
                .collect(),
        )
    }

    #[test]
    fn each_mechanism_gives_its_credentials() {
        let both = done(&[("user", "kim"), ("password", "pw")]);
        let plain = STANDARD.encode("\0kim\0pw");
        assert_eq!(Sasl::start("plain", Some(plain.as_bytes())).1, both);
        let (mut login, first) = Sasl::start("LOGIN", None);
        assert_eq!(first, Step::Ask("VXNlcm5hbWU6".to_owned()));
        assert_eq!(login.next(b"a2lt"), Step::Ask("UGFzc3dvcmQ6".to_owned()));
        assert_eq!(login.next(b"cHc="), both);
        let (mut cram, _) = Sasl::start("CRAM-MD5", None);
        let answer = STANDARD.encode("kim 0123abcd");
        assert_eq!(
            cram.next(answer.as_bytes()),
            done(&[("user", "kim"), ("cram-md5", "0123abcd")])
        );
    }

    #[test]
    fn what_is_given_up_or_unknown_fails() {
        assert_eq!(Sasl::start("GSSAPI", None).1, Step::Failed);
        assert_eq!(Sasl::start("PLAIN", None).0.next(b"*"), Step::Failed);
        assert_eq!(Sasl::start("PLAIN", Some(b"%%%")).1, Step::Failed);
    }

    proptest! {
        #[test]
        fn no_response_panics(bytes: Vec<u8>, which in 0..MECHANISMS.len()) {
            let encoded = STANDARD.encode(&bytes);
            for response in [&bytes[..], encoded.as_bytes()] {
                let (mut sasl, _) = Sasl::start(MECHANISMS[which], None);
                sasl.next(response);
                sasl.next(response);
            }
        }
    }
}
