//! Answers on addresses of this machine, for others that are pointed at it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use apa_model::NetworkMode;
use apa_netsim::{Ca, NameAnswer, Sockets};

use super::{Failure, Session, over};
use crate::args::Listen;
use crate::output;

/// Ports of the services that are known by theirs.
const USUAL: [u16; 34] = [
    21, 22, 23, 25, 37, 53, 69, 79, 80, 110, 113, 123, 143, 389, 443, 465, 587, 853, 990, 993, 995,
    1080, 1883, 3306, 3333, 5432, 6379, 6667, 6697, 8000, 8080, 8443, 9050, 27017,
];
/// Added to a port that only root may have.
const RAISED: u16 = 20_000;

#[derive(Default)]
struct Bound {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    /// Ports that stand for others.
    ports: BTreeMap<u16, u16>,
    /// Where the name service is.
    dns: Option<SocketAddr>,
}

pub(super) async fn run(session: &Session) -> Result<(), Failure> {
    let bound = bind(&session.settings.listen).map_err(Failure::usage)?;
    let ca = Ca::generate_at(session.settings.clock).map_err(Failure::infrastructure)?;
    let authority = session.keep_authority(&ca)?;
    let here = bound
        .tcp
        .first()
        .and_then(|socket| socket.local_addr().ok());
    let names = session.settings.names.or(here.map(|here| here.ip()));
    let names = names
        .filter(|names| !names.is_unspecified())
        .unwrap_or(Ipv4Addr::LOCALHOST.into());
    let unset: SocketAddr = (Ipv4Addr::LOCALHOST, 53).into();
    let mut config = session.config(ca, bound.dns.unwrap_or(unset))?;
    config.ports = bound.ports.clone();
    if session.settings.mode != NetworkMode::Nxdomain {
        config.name_policy = Some(Arc::new(move |_| NameAnswer::Address(names)));
    }
    config.data_listener = Some(Arc::new(|address| TcpListener::bind((address, 0))));
    let told = describe(&bound);
    let replies = bound.replies().map_err(Failure::infrastructure)?;
    let sockets = Sockets {
        tcp: bound.tcp,
        udp: bound.udp,
        reply: Arc::new(move |from| {
            let socket = replies.get(&from).ok_or(io::ErrorKind::AddrNotAvailable)?;
            socket.try_clone()
        }),
    };
    let netsim = apa_netsim::start(sockets, config).map_err(Failure::infrastructure)?;
    output::note(&format!("apa: answering on {told}"));
    output::note(&format!(
        "apa: names resolve to {names}; the authority to trust is {}; ready in {} ms; Ctrl-C ends",
        authority.display(),
        session.started.elapsed().as_millis()
    ));
    session
        .attend(&netsim, over(session.settings.seconds))
        .await;
    let seen = netsim.finish().await;
    session.leave(&seen, &told, &|_| None)
}

fn bind(asked: &[Listen]) -> anyhow::Result<Bound> {
    let here = Listen {
        address: Ipv4Addr::LOCALHOST.into(),
        port: None,
        meaning: None,
    };
    let asked = if asked.is_empty() {
        std::slice::from_ref(&here)
    } else {
        asked
    };
    let mut bound = Bound::default();
    for listen in asked {
        match listen.port {
            Some(port) => bound.add(listen.address, port, listen.meaning)?,
            None => bound.usual(listen.address)?,
        }
    }
    Ok(bound)
}

impl Bound {
    /// All usual ports that can be had; those that only root may have further up.
    fn usual(&mut self, address: IpAddr) -> anyhow::Result<()> {
        let mut had = 0;
        for port in USUAL {
            let added = match self.add(address, port, None) {
                Err(error) if is(&error, io::ErrorKind::PermissionDenied) => {
                    self.add(address, port + RAISED, Some(port))
                }
                other => other,
            };
            match added {
                Ok(()) => had += 1,
                Err(error) => output::note(&format!("apa: {error:#}")),
            }
        }
        anyhow::ensure!(
            had > 0,
            "no port of {address} can be listened on; is it an address of this machine?"
        );
        Ok(())
    }

    fn add(&mut self, address: IpAddr, port: u16, meaning: Option<u16>) -> anyhow::Result<()> {
        use anyhow::Context as _;
        let place = SocketAddr::new(address, port);
        let hint = || format!("cannot listen on {place}; choose another with --listen");
        let tcp = TcpListener::bind(place).with_context(hint)?;
        let place = tcp.local_addr().with_context(hint)?;
        let meaning = meaning.unwrap_or(place.port());
        self.udp.push(UdpSocket::bind(place).with_context(hint)?);
        self.tcp.push(tcp);
        if place.port() != meaning {
            self.ports.insert(place.port(), meaning);
        }
        if meaning == 53 {
            self.dns.get_or_insert(place);
        }
        Ok(())
    }

    /// The sockets that datagrams are answered from, by their address.
    fn replies(&self) -> io::Result<BTreeMap<SocketAddr, UdpSocket>> {
        let pairs = self
            .udp
            .iter()
            .map(|socket| Ok((socket.local_addr()?, socket.try_clone()?)));
        pairs.collect()
    }
}

fn is(error: &anyhow::Error, kind: io::ErrorKind) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == kind)
    })
}

/// `127.0.0.1:80, 127.0.0.1:20053 (as 53)`.
fn describe(bound: &Bound) -> String {
    let places = bound
        .tcp
        .iter()
        .filter_map(|socket| socket.local_addr().ok());
    let places = places.map(|place| match bound.ports.get(&place.port()) {
        Some(meaning) => format!("{place} (as {meaning})"),
        None => place.to_string(),
    });
    places.collect::<Vec<_>>().join(", ")
}
