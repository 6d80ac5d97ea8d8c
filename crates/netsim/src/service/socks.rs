//! A proxy of SOCKS 4, 4a or 5, that says yes to everybody.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use apa_model::{FlowMessage, Hostile, Protocol};
use tokio::io::AsyncWriteExt;

use super::{Guess, Next, Service, Serving, Talk};
use crate::wire::Wire;

/// Bytes of a name or user in SOCKS 4, which has no lengths.
const TEXT: usize = 512;

pub(crate) struct Socks;

impl Service for Socks {
    fn layer(&self) -> &'static str {
        "socks"
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Socks)
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        match first {
            [4] | [5] => Guess::Maybe,
            [4, 1 | 2, ..] if first.len() < 8 => Guess::Maybe,
            // User and name are text and end with a zero.
            [4, 1 | 2, _, _, _, _, _, _, rest @ ..] if printable(rest) => Guess::Yes,
            // A greeting holds its methods and nothing more: the client waits for ours.
            [5, count @ 1..=16, rest @ ..] => match rest.len().cmp(&usize::from(*count)) {
                std::cmp::Ordering::Less => Guess::Maybe,
                std::cmp::Ordering::Equal => Guess::Yes,
                std::cmp::Ordering::Greater => Guess::No,
            },
            _ => Guess::No,
        }
    }

    fn serve<'a>(&'a self, mut wire: Wire, talk: &'a mut Talk) -> Serving<'a> {
        Box::pin(async move {
            let asked = match take::<1>(&mut wire).await? {
                [4] => four(&mut wire).await?,
                _ => five(&mut wire).await?,
            };
            let served = asked.command == 1;
            wire.write_all(if served { asked.accept } else { asked.refuse })
                .await?;
            wire.flush().await?;
            asked.note(talk, served);
            if !served {
                return Ok(Next::Done);
            }
            talk.inner_port = Some(asked.port);
            talk.host = match asked.target {
                Target::Name(name) => Some(String::from_utf8_lossy(&name).into_owned()),
                Target::Address(ip) => {
                    talk.destination = SocketAddr::new(ip, asked.port);
                    None
                }
            };
            Ok(Next::Inner(wire))
        })
    }
}

enum Target {
    Name(Vec<u8>),
    Address(IpAddr),
}

struct Asked {
    command: u8,
    target: Target,
    port: u16,
    credentials: Vec<(&'static str, Vec<u8>)>,
    accept: &'static [u8],
    refuse: &'static [u8],
}

impl Asked {
    fn note(&self, talk: &Talk, served: bool) {
        let mut summary = match self.command {
            1 => b"CONNECT ".to_vec(),
            2 => b"BIND ".to_vec(),
            _ => b"ASSOCIATE ".to_vec(),
        };
        match &self.target {
            Target::Name(name) => {
                summary.extend_from_slice(name);
                summary.extend_from_slice(format!(":{}", self.port).as_bytes());
            }
            Target::Address(ip) => {
                summary.extend_from_slice(SocketAddr::new(*ip, self.port).to_string().as_bytes());
            }
        }
        talk.record.search_now(&talk.shared, &summary, "socks");
        let fields = self.credentials.iter();
        let message = FlowMessage {
            summary: Hostile::new(summary),
            headers: fields
                .map(|(name, value)| ((*name).into(), Hostile::from(value.as_slice())))
                .collect(),
            body: None,
            body_bytes: 0,
            answer: if served { "granted" } else { "not supported" }.into(),
        };
        for (_, value) in &self.credentials {
            talk.record.search_now(&talk.shared, value, "socks");
        }
        talk.record.message(&talk.shared, message);
    }
}

async fn four(wire: &mut Wire) -> io::Result<Asked> {
    let [command, high, low, a, b, c, d] = take(wire).await?;
    let user = text(wire).await?;
    // 0.0.0.x with x not zero says that a name follows.
    let target = match (a, b, c, d) {
        (0, 0, 0, 1..) => Target::Name(text(wire).await?),
        _ => Target::Address(Ipv4Addr::new(a, b, c, d).into()),
    };
    Ok(Asked {
        command,
        target,
        port: u16::from_be_bytes([high, low]),
        credentials: if user.is_empty() {
            Vec::new()
        } else {
            vec![("user", user)]
        },
        accept: &[0, 90, 0, 0, 0, 0, 0, 0],
        refuse: &[0, 91, 0, 0, 0, 0, 0, 0],
    })
}

async fn five(wire: &mut Wire) -> io::Result<Asked> {
    let methods = counted(wire).await?;
    let mut credentials = Vec::new();
    // A client with a password to give is asked for it.
    if methods.contains(&2) {
        say(wire, &[5, 2]).await?;
        take::<1>(wire).await?;
        credentials.push(("user", counted(wire).await?));
        credentials.push(("password", counted(wire).await?));
        say(wire, &[1, 0]).await?;
    } else {
        say(wire, &[5, 0]).await?;
    }
    let [_, command, _, kind] = take(wire).await?;
    let target = match kind {
        1 => Target::Address(Ipv4Addr::from(take::<4>(wire).await?).into()),
        4 => Target::Address(Ipv6Addr::from(take::<16>(wire).await?).into()),
        3 => Target::Name(counted(wire).await?),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    Ok(Asked {
        command,
        target,
        port: u16::from_be_bytes(take(wire).await?),
        credentials,
        accept: &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        refuse: &[5, 7, 0, 1, 0, 0, 0, 0, 0, 0],
    })
}

async fn say(wire: &mut Wire, bytes: &[u8]) -> io::Result<()> {
    wire.write_all(bytes).await?;
    wire.flush().await
}

async fn take<const COUNT: usize>(wire: &mut Wire) -> io::Result<[u8; COUNT]> {
    loop {
        if let Some(taken) = wire.ahead().first_chunk::<COUNT>().copied() {
            wire.consume(COUNT);
            return Ok(taken);
        }
        more(wire).await?;
    }
}

async fn counted(wire: &mut Wire) -> io::Result<Vec<u8>> {
    let [count] = take(wire).await?;
    while wire.ahead().len() < usize::from(count) {
        more(wire).await?;
    }
    let taken = wire.ahead()[..usize::from(count)].to_vec();
    wire.consume(taken.len());
    Ok(taken)
}

async fn text(wire: &mut Wire) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = wire.ahead().iter().position(|b| *b == 0) {
            let taken = wire.ahead()[..end].to_vec();
            wire.consume(end + 1);
            return Ok(taken);
        }
        if wire.ahead().len() > TEXT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        more(wire).await?;
    }
}

async fn more(wire: &mut Wire) -> io::Result<()> {
    match wire.fill().await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn printable(rest: &[u8]) -> bool {
    rest.iter()
        .take(TEXT)
        .all(|b| *b == 0 || b.is_ascii_graphic())
}
