//! A file server that lets everybody in, takes every file, and has every file that is asked for.

mod data;
mod listing;

use std::io;
use std::sync::Arc;

use apa_model::Protocol;

use super::Guess;
use super::session::{Dialogue, Said, Session, starts_with_word, verb};
use crate::uploads::{Node, resolve};
use data::Data;

const LAYER: &str = "ftp";

pub(crate) struct Ftp;

/// What a session knows.
#[derive(Default)]
struct State {
    user: Vec<u8>,
    folder: String,
    data: Data,
    /// Data connections are inside TLS.
    private: bool,
    /// Where the next transfer starts.
    offset: u64,
    renamed: Option<String>,
}

impl Dialogue for Ftp {
    const LAYER: &'static str = LAYER;
    const PROTOCOL: Protocol = Protocol::Ftp;

    fn recognises(&self, first: &[u8], port: u16) -> Guess {
        if matches!(port, 110 | 995) {
            return Guess::No;
        }
        match starts_with_word(first, &["USER", "FEAT", "SYST", "AUTH"]) {
            Guess::Yes if verb(first).0 == "AUTH" => {
                let how = String::from_utf8_lossy(verb(first).1).to_ascii_uppercase();
                if how.starts_with("TLS") || how.starts_with("SSL") {
                    Guess::Yes
                } else {
                    Guess::No
                }
            }
            guess => guess,
        }
    }

    fn greets(&self, port: u16, secure: bool) -> bool {
        matches!(port, 21 | 2121) || (port == 990 && secure)
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        session.say("220 (vsFTPd 3.0.5)\r\n").await?;
        let mut state = State {
            folder: "/".to_owned(),
            private: session.talk.secure,
            ..State::default()
        };
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
    // An abort comes with telnet's interrupt in front.
    let line = &line[line.iter().take_while(|b| **b >= 0x80).count()..];
    let (word, rest) = verb(line);
    let given = String::from_utf8_lossy(rest).into_owned();
    let path = resolve(&state.folder, &given);
    let mut fields = Vec::new();
    let answer = match &word[..] {
        "USER" => {
            state.user = rest.to_vec();
            fields.push(("user", rest.to_vec()));
            "331 Please specify the password.".to_owned()
        }
        "PASS" => {
            fields = vec![("user", state.user.clone()), ("password", rest.to_vec())];
            "230 Login successful.".to_owned()
        }
        "AUTH" if !session.talk.secure => {
            session
                .answer(line, "234 Proceed with negotiation.")
                .await?;
            session.start_tls(LAYER, Protocol::Ftp).await?;
            return Ok(true);
        }
        "QUIT" => {
            session.answer(line, "221 Goodbye.").await?;
            return Ok(false);
        }
        "PASV" | "EPSV" | "PORT" | "EPRT" => data::prepare(session, state, &word, &given),
        "LIST" | "NLST" | "MLSD" => {
            return list(session, state, line, &word, &given)
                .await
                .map(|()| true);
        }
        "RETR" => return send(session, state, line, &path).await.map(|()| true),
        "STOR" | "APPE" | "STOU" => {
            return store(session, state, line, &word, path)
                .await
                .map(|()| true);
        }
        "RNTO" => renamed(session, state, &path),
        "CWD" | "XCWD" => {
            state.folder = path;
            "250 Directory successfully changed.".to_owned()
        }
        "CDUP" | "XCUP" => {
            state.folder = resolve(&state.folder, "..");
            "250 Directory successfully changed.".to_owned()
        }
        "PWD" | "XPWD" => format!(
            "257 \"{}\" is the current directory",
            state.folder.replace('"', "\"\"")
        ),
        "MKD" | "XMKD" => {
            put(session, &path, Node::Folder);
            format!("257 \"{}\" created", path.replace('"', "\"\""))
        }
        "RMD" | "XRMD" | "DELE" => {
            session
                .talk
                .shared
                .uploads
                .remove(&session.talk.name(), &path);
            "250 Delete operation successful.".to_owned()
        }
        "RNFR" => {
            state.renamed = Some(path);
            "350 Ready for RNTO.".to_owned()
        }
        "REST" => match given.trim().parse() {
            Ok(offset) => {
                state.offset = offset;
                format!("350 Restart position accepted ({offset}).")
            }
            Err(_) => "501 Bad restart position.".to_owned(),
        },
        "PROT" => {
            state.private = given.trim().eq_ignore_ascii_case("P");
            "200 PROT now set.".to_owned()
        }
        _ => plain(session, &word, &path),
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

/// Commands that change nothing.
fn plain(session: &Session<'_>, word: &str, path: &str) -> String {
    match word {
        "SYST" => "215 UNIX Type: L8",
        "FEAT" => "211-Features:\r\n AUTH TLS\r\n EPRT\r\n EPSV\r\n MDTM\r\n MLSD\r\n MLST type*;size*;modify*;\r\n PASV\r\n PBSZ\r\n PROT\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n211 End",
        "SIZE" => return format!("213 {}", content(session, path).len()),
        "MDTM" | "MFMT" => "213 20261102081400",
        "MLST" => {
            let facts = listing::facts(path, &Node::File(content(session, path)));
            return format!("250-Listing {path}\r\n {facts}250 End");
        }
        "STAT" => "211-FTP server status:\r\n     TYPE: BINARY\r\n211 End of status",
        "HELP" => "214-The following commands are recognized.\r\n ABOR ACCT ALLO APPE CDUP CWD DELE EPRT EPSV FEAT LIST MDTM MKD MLSD NLST NOOP PASS PASV PORT PWD QUIT REST RETR RMD RNFR RNTO SIZE STAT STOR SYST TYPE USER\r\n214 Help OK.",
        "TYPE" => "200 Switching mode.",
        "MODE" | "STRU" | "PBSZ" | "CCC" | "SITE" => "200 OK.",
        "OPTS" => "200 Always in UTF8 mode.",
        "NOOP" => "200 NOOP ok.",
        "ALLO" | "ACCT" => "202 Command not needed.",
        "ABOR" => "226 ABOR successful.",
        _ => "500 Unknown command.",
    }
    .to_owned()
}

fn put(session: &Session<'_>, path: &str, node: Node) {
    session
        .talk
        .shared
        .uploads
        .put(&session.talk.name(), path, node);
}

/// What was stored under this path, or else a file of its kind.
fn content(session: &Session<'_>, path: &str) -> Arc<Vec<u8>> {
    match session.talk.shared.uploads.get(&session.talk.name(), path) {
        Some(Node::File(bytes)) => bytes,
        _ => Arc::new(crate::answers::sample_file(
            path,
            &session.talk.banner_name(),
        )),
    }
}

fn renamed(session: &Session<'_>, state: &mut State, path: &str) -> String {
    let Some(from) = state.renamed.take() else {
        return "503 RNFR required first.".to_owned();
    };
    if let Some(node) = session
        .talk
        .shared
        .uploads
        .remove(&session.talk.name(), &from)
    {
        put(session, path, node);
    }
    "250 Rename successful.".to_owned()
}

async fn list(
    session: &mut Session<'_>,
    state: &mut State,
    line: &[u8],
    word: &str,
    given: &str,
) -> io::Result<()> {
    // `LIST -la x` is common.
    let folder = given
        .split_ascii_whitespace()
        .rfind(|part| !part.starts_with('-'))
        .unwrap_or("");
    let folder = resolve(&state.folder, folder);
    let nodes = listing::of(&session.talk.shared.uploads, &session.talk.name(), &folder);
    let text = listing::lines(&nodes, word);
    send_bytes(
        session,
        state,
        line,
        text.as_bytes(),
        "226 Directory send OK.",
    )
    .await
}

async fn send(
    session: &mut Session<'_>,
    state: &mut State,
    line: &[u8],
    path: &str,
) -> io::Result<()> {
    let bytes = content(session, path);
    let start = usize::try_from(std::mem::take(&mut state.offset))
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    send_bytes(
        session,
        state,
        line,
        &bytes[start..],
        "226 Transfer complete.",
    )
    .await
}

async fn send_bytes(
    session: &mut Session<'_>,
    state: &mut State,
    line: &[u8],
    bytes: &[u8],
    done: &str,
) -> io::Result<()> {
    session.say("150 Here comes the data.\r\n").await?;
    let answer = match data::open(session, state).await {
        Some(transfer) => match transfer.send(bytes).await {
            true => done,
            false => "426 Connection closed; transfer aborted.",
        },
        None => data::FAILED,
    };
    session.answer(line, answer).await
}

async fn store(
    session: &mut Session<'_>,
    state: &mut State,
    line: &[u8],
    word: &str,
    path: String,
) -> io::Result<()> {
    let path = if word == "STOU" {
        resolve(&path, "unique.dat")
    } else {
        path
    };
    session
        .say(format!(
            "150 Ok to send data. FILE: {}\r\n",
            path.trim_start_matches('/')
        ))
        .await?;
    let mut body = session.body();
    let answer = match data::open(session, state).await {
        Some(transfer) => {
            transfer.receive(&mut body).await;
            "226 Transfer complete."
        }
        None => data::FAILED,
    };
    let mut whole = match word {
        "APPE" => content_stored(session, &path),
        _ => Vec::new(),
    };
    let start = usize::try_from(std::mem::take(&mut state.offset)).unwrap_or(usize::MAX);
    if start > 0 && word == "STOR" {
        whole = content_stored(session, &path);
        whole.truncate(start);
    }
    whole.extend_from_slice(body.as_slice());
    put(session, &path, Node::File(Arc::new(whole)));
    session.pieces(vec![path.clone().into_bytes()]);
    let fields = vec![("path", path.into_bytes())];
    session
        .answer_to(Said {
            command: line,
            fields,
            body: Some(body),
            answer,
        })
        .await
}

fn content_stored(session: &Session<'_>, path: &str) -> Vec<u8> {
    match session.talk.shared.uploads.get(&session.talk.name(), path) {
        Some(Node::File(bytes)) => bytes.to_vec(),
        _ => Vec::new(),
    }
}
