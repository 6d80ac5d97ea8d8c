//! A secure shell that lets everybody in and runs nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_model::{FlowMessage, Hostile, Protocol};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{HashAlg, PrivateKey};
use russh::server::{
    self, Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty, SshId};

use super::{Guess, Next, Service, Serving, Talk, shell};
use crate::record::Held;
use crate::shared::lock;
use crate::wire::Wire;

/// Channels of one connection, and bytes of a line typed into a shell.
const CHANNELS: usize = 32;
const LINE: usize = 8 << 10;
/// Programs that read what comes with them until it ends.
const READERS: &[&str] = &[
    "cat", "tee", "dd", "sh", "bash", "tar", "scp", "base64", "gzip", "python3", "rsync",
];

pub(crate) struct Ssh;

impl Service for Ssh {
    fn layer(&self) -> &'static str {
        "ssh"
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Ssh)
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        match (first.starts_with(b"SSH-"), b"SSH-".starts_with(first)) {
            (true, _) => Guess::Yes,
            (_, true) => Guess::Maybe,
            _ => Guess::No,
        }
    }

    fn greets(&self, port: u16, _: bool) -> bool {
        matches!(port, 22 | 2222)
    }

    fn serve<'a>(&'a self, wire: Wire, talk: &'a mut Talk) -> Serving<'a> {
        Box::pin(async move {
            let held = Arc::new(Mutex::new(Held::new(
                &talk.shared,
                talk.shared.config.max_flow_bytes,
            )));
            let guest = Guest {
                talk: talk.clone(),
                held: held.clone(),
                open: HashMap::new(),
                terminal: false,
            };
            let config = Arc::new(config(&talk.shared.forge.seed("ssh")));
            let ended = match server::run_stream(config, wire, guest).await {
                Ok(running) => running.await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a simulated secure shell ended early");
            }
            let empty = Held::new(&talk.shared, 0);
            let held = Arc::new(std::mem::replace(&mut *lock(&held), empty));
            let blob = talk.record.keep(&talk.shared, &held).await;
            talk.record.with(|flow| flow.sent_blob = blob);
            talk.record.search(&talk.shared, held, "ssh").await;
            Ok(Next::Done)
        })
    }
}

fn config(seed: &[u8; 32]) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3")),
        // Whoever comes with a key, perhaps a stolen one, gets in by it; the others tell their password.
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..]),
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![PrivateKey::from(Ed25519Keypair::from_seed(seed))],
        inactivity_timeout: None,
        ..Config::default()
    }
}

/// What a channel is for.
#[derive(Default)]
struct Opened {
    /// What was typed since the last line, where it is a shell.
    typed: Option<Vec<u8>>,
}

struct Guest {
    talk: Talk,
    /// All that was sent.
    held: Arc<Mutex<Held>>,
    open: HashMap<ChannelId, Opened>,
    terminal: bool,
}

impl Guest {
    fn note(&self, summary: impl Into<Vec<u8>>, fields: &[(&'static str, &str)], answer: &str) {
        let summary = summary.into();
        lock(&self.held).push(&[&summary[..], b"\n"].concat());
        for (_, value) in fields {
            lock(&self.held).push(format!("{value}\n").as_bytes());
        }
        let message = FlowMessage {
            summary: Hostile::new(summary),
            headers: fields
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            body: None,
            body_bytes: 0,
            answer: Hostile::from(answer).shortened(200),
        };
        self.talk.record.message(&self.talk.shared, message);
    }

    /// What is said to the lines in what was typed, and whether the session is over.
    fn typed(&mut self, channel: ChannelId, data: &[u8]) -> (String, bool) {
        let mut typed = self
            .open
            .get_mut(&channel)
            .and_then(|opened| opened.typed.take())
            .unwrap_or_default();
        let mut said = String::new();
        for byte in data {
            if self.terminal {
                said.push_str(if *byte == b'\r' { "\r\n" } else { "" });
                said.extend(Some(char::from(*byte)).filter(|c| !c.is_control()));
            }
            match byte {
                b'\r' | b'\n' => {
                    let Some(answer) = shell::answer(&typed) else {
                        return (said, true);
                    };
                    if !typed.is_empty() {
                        self.note(typed.clone(), &[], &answer);
                    }
                    typed.clear();
                    said.push_str(&answer);
                    said.push_str(if self.terminal { shell::PROMPT } else { "" });
                }
                4 => return (said, true),
                byte if typed.len() < LINE => typed.push(*byte),
                _ => self.talk.record.with(|flow| flow.truncated = true),
            }
        }
        if let Some(opened) = self.open.get_mut(&channel) {
            opened.typed = Some(typed);
        }
        (said, false)
    }
}

fn over(channel: ChannelId, session: &mut server::Session) -> Result<(), russh::Error> {
    session.exit_status_request(channel, 0)?;
    session.eof(channel)?;
    session.close(channel)
}

impl Handler for Guest {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.note("login", &[("user", user), ("password", password)], "let in");
        Ok(Auth::Accept)
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        let key = offer.public_key.fingerprint(HashAlg::Sha256).to_string();
        self.note("login", &[("user", user), ("key", &key)], "key offered");
        Ok(Auth::Accept)
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let key = key.public_key.fingerprint(HashAlg::Sha256).to_string();
        self.note("login", &[("user", user), ("key", &key)], "let in");
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        if self.open.len() < CHANNELS {
            self.open.insert(channel.id(), Opened::default());
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        self.note(format!("forward {host}:{port}"), &[], "refused");
        drop(reply);
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        self.terminal = true;
        session.channel_success(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        if let Some(opened) = self.open.get_mut(&channel) {
            opened.typed = Some(Vec::new());
        }
        session.channel_success(channel)?;
        match self.terminal {
            true => session.data(channel, shell::PROMPT.as_bytes().to_vec()),
            false => Ok(()),
        }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let said = shell::answer(command)
            .unwrap_or_default()
            .replace("\r\n", "\n");
        self.note(command, &[], &said);
        if !said.is_empty() {
            session.data(channel, said.into_bytes())?;
        }
        let text = String::from_utf8_lossy(command).into_owned();
        let reads = text
            .split([' ', '|', ';', '/'])
            .any(|word| READERS.contains(&word));
        if reads {
            Ok(())
        } else {
            over(channel, session)
        }
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        lock(&self.held).push(data);
        if self
            .open
            .get(&channel)
            .is_none_or(|opened| opened.typed.is_none())
        {
            return Ok(());
        }
        let (said, ends) = self.typed(channel, data);
        if !said.is_empty() {
            session.data(channel, said.into_bytes())?;
        }
        if ends { over(channel, session) } else { Ok(()) }
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        over(channel, session)
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        self.open.remove(&channel);
        Ok(())
    }
}
