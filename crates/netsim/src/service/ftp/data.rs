//! Connections for data: which the client makes to us, or we to it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::State;
use crate::record::{Held, Record};
use crate::service::session::Session;
use crate::service::tls;
use crate::shared::{Arrival, Shared};
use crate::wire::{Socket, Wire};

pub(super) const FAILED: &str = "425 Failed to establish connection.";
/// How long a client has to connect.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the next transfer goes.
#[derive(Default)]
pub(super) enum Data {
    #[default]
    None,
    /// The client connects.
    Passive(oneshot::Receiver<Arrival>),
    /// We connect to the client.
    Active(SocketAddr),
}

/// One transfer's connection, which ends with it.
pub(super) struct Transfer {
    wire: Wire,
    arrival: Option<Arrival>,
}

/// Prepares a transfer; the answer to the command that asked for it.
pub(super) fn prepare(session: &Session<'_>, state: &mut State, word: &str, given: &str) -> String {
    match word {
        "PASV" | "EPSV" => match (passive(session, state), word) {
            (Ok(at), "EPSV") => format!("229 Entering Extended Passive Mode (|||{}|).", at.port()),
            (Ok(SocketAddr::V4(at)), _) => {
                let [a, b, c, d] = at.ip().octets();
                let [high, low] = at.port().to_be_bytes();
                format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low}).")
            }
            (Ok(SocketAddr::V6(_)), _) => "522 Use EPSV.".to_owned(),
            (Err(_), _) => FAILED.to_owned(),
        },
        _ => {
            let target = if word == "PORT" {
                port(given)
            } else {
                eprt(given)
            };
            let peer = session.talk.record.with(|flow| flow.source.ip());
            match target {
                // A server that connects to anybody else is a weapon.
                Some(target) if target.ip() == peer => {
                    state.data = Data::Active(target);
                    format!("200 {word} command successful. Consider using PASV.")
                }
                Some(_) => "500 Illegal PORT command.".to_owned(),
                None => "501 Bad address.".to_owned(),
            }
        }
    }
}

fn passive(session: &Session<'_>, state: &mut State) -> io::Result<SocketAddr> {
    let (at, arrives) = crate::listen::expect(&session.talk.shared, session.talk.destination.ip())?;
    state.data = Data::Passive(arrives);
    Ok(at)
}

/// `10,0,0,1,4,210`.
fn port(given: &str) -> Option<SocketAddr> {
    let numbers: Vec<u8> = given
        .trim()
        .split(',')
        .map_while(|n| n.trim().parse().ok())
        .collect();
    let [a, b, c, d, high, low] = *<&[u8; 6]>::try_from(&numbers[..]).ok()?;
    Some(SocketAddr::from((
        [a, b, c, d],
        u16::from_be_bytes([high, low]),
    )))
}

/// `|2|::1|1234|`, with any delimiter.
fn eprt(given: &str) -> Option<SocketAddr> {
    let given = given.trim();
    let mut parts = given.split(given.chars().next()?).skip(2);
    let address: IpAddr = parts.next()?.parse().ok()?;
    Some(SocketAddr::new(address, parts.next()?.parse().ok()?))
}

/// The connection for the transfer that was prepared.
pub(super) async fn open(session: &mut Session<'_>, state: &mut State) -> Option<Transfer> {
    let (wire, arrival) = match std::mem::take(&mut state.data) {
        Data::None => return None,
        Data::Passive(arrives) => {
            let mut arrival = timeout(PATIENCE, arrives).await.ok()?.ok()?;
            (arrival.wire.take()?, Some(arrival))
        }
        Data::Active(target) => {
            let talk = &session.talk;
            let from = SocketAddr::new(talk.destination.ip(), 20);
            let connecting = connect(talk.shared.clone(), talk.record.clone(), from, target);
            (connecting.await?, None)
        }
    };
    let wire = match state.private {
        true => timeout(PATIENCE, tls::accept(wire, session.talk))
            .await
            .ok()?
            .ok()?,
        false => wire,
    };
    Some(Transfer { wire, arrival })
}

async fn connect(
    shared: Arc<Shared>,
    record: Arc<Record>,
    from: SocketAddr,
    to: SocketAddr,
) -> Option<Wire> {
    let connect = shared.config.connect.clone()?;
    let connecting = tokio::task::spawn_blocking(move || connect(from, to));
    let stream = timeout(PATIENCE, connecting).await.ok()?.ok()?.ok()?;
    stream.set_nonblocking(true).ok()?;
    let stream = tokio::net::TcpStream::from_std(stream).ok()?;
    Some(Wire::new(Socket::new(stream, record, shared.clone())))
}

impl Transfer {
    /// Sends all; false when the client does not take it.
    pub(super) async fn send(mut self, bytes: &[u8]) -> bool {
        let sent = self.wire.write_all(bytes).await.is_ok() && self.wire.close().await.is_ok();
        self.end();
        sent
    }

    /// Takes all that comes.
    pub(super) async fn receive(mut self, body: &mut Held) {
        loop {
            body.push(self.wire.ahead());
            self.wire.consume(self.wire.ahead().len());
            if !matches!(self.wire.fill().await, Ok(1..)) {
                break;
            }
        }
        // The client is done; whether it hears that we are does not matter.
        let _ = self.wire.close().await;
        self.end();
    }

    fn end(self) {
        if let Some(arrival) = &self.arrival {
            arrival.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_in_both_forms() {
        assert_eq!(port("127,0,0,1,4,210"), Some(([127, 0, 0, 1], 1234).into()));
        assert_eq!(eprt("|2|::1|1234|"), "[::1]:1234".parse().ok());
        for bad in ["", "1,2,3", "1,2,3,4,5,999", "|1|x|y|"] {
            assert_eq!((port(bad), eprt(bad)), (None, None), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            port(&text);
            eprt(&text);
        }
    }
}
