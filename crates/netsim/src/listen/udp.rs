use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apa_model::{FlowMessage, Hostile, Phase, ProcessId, Protocol, Transport};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::canonical;
use crate::record::{Held, Record};
use crate::service::dns;
use crate::shared::{Shared, lock};
use crate::{NetsimError, ReplySocket};

/// Sockets kept to answer from.
const REPLY_SOCKETS: usize = 128;
/// How long the process behind a socket is taken to stay the same.
const OWNER_FRESH: Duration = Duration::from_secs(1);
const OWNERS: usize = 4096;
/// Datagrams that wait for their attribution at once.
const WAITING: usize = 256;
/// Bytes of a datagram shown in its summary.
const SHOWN: usize = 120;

/// Receives datagrams until the simulation closes.
pub(crate) fn listen(
    datagrams: Arc<Datagrams>,
    socket: std::net::UdpSocket,
) -> Result<JoinHandle<()>, NetsimError> {
    let socket = socket
        .set_nonblocking(true)
        .and_then(|()| UdpSocket::from_std(socket))
        .map_err(|source| NetsimError::Socket {
            what: "UDP",
            source,
        })?;
    Ok(tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let closing = datagrams.shared.closing.is_cancelled();
            match socket.try_io(Interest::READABLE, || receive(&socket, &mut buffer)) {
                Ok(datagram) => {
                    datagrams
                        .clone()
                        .take(&buffer[..datagram.length], datagram)
                        .await
                }
                // What had arrived before the end has been taken by now.
                Err(_) if closing => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::select! {
                        _ = socket.readable() => {}
                        () = datagrams.shared.closing.cancelled() => {}
                    }
                }
                // An unreachable peer of an earlier answer is reported here; it concerns nobody.
                Err(error) => tracing::debug!(%error, "a datagram could not be received"),
            }
        }
    }))
}

#[derive(Clone, Copy)]
struct Datagram {
    length: usize,
    source: SocketAddr,
    destination: SocketAddr,
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Datagram> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = [0_u8; 128];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let source = message
        .address
        .as_ref()
        .and_then(address)
        .ok_or(io::ErrorKind::InvalidData)?;
    let original = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4OrigDstAddr(raw) => {
            Some(SocketAddr::V4(SocketAddrV4::from(SockaddrIn::from(raw))))
        }
        ControlMessageOwned::Ipv6OrigDstAddr(raw) => {
            Some(SocketAddr::V6(SocketAddrV6::from(SockaddrIn6::from(raw))))
        }
        _ => None,
    });
    let destination = match original {
        Some(original) => original,
        None => socket.local_addr()?,
    };
    Ok(Datagram {
        length: message.bytes,
        source: canonical(source),
        destination: canonical(destination),
    })
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage
        .as_sockaddr_in()
        .map(|v4| SocketAddr::V4(SocketAddrV4::from(*v4)));
    v4.or_else(|| {
        storage
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6)))
    })
}

/// Who talks to whom: queries of one process to one name server are one conversation, whatever sockets it uses.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Party {
    Process(Phase, ProcessId, SocketAddr),
    Socket(Phase, SocketAddr, SocketAddr),
}

struct Session {
    record: Arc<Record>,
    /// Bytes that no message holds: all of an unknown protocol, and queries that cannot be read.
    held: Held,
}

/// The process behind a socket, and when that was found out.
#[derive(Clone, Copy)]
struct Owner {
    process: Option<ProcessId>,
    since: Instant,
}

/// Sockets to answer from; the one not used for longest makes room.
#[derive(Default)]
struct ReplySockets {
    kept: HashMap<SocketAddr, (Arc<std::net::UdpSocket>, u64)>,
    /// Counts uses.
    clock: u64,
}

/// All conversations by datagram.
pub(crate) struct Datagrams {
    shared: Arc<Shared>,
    reply: ReplySocket,
    reply_sockets: Mutex<ReplySockets>,
    owners: Mutex<HashMap<(SocketAddr, SocketAddr), Owner>>,
    sessions: Mutex<HashMap<Party, Session>>,
    waiting: Arc<Semaphore>,
}

impl Datagrams {
    pub(crate) fn new(shared: Arc<Shared>, reply: ReplySocket) -> Self {
        Self {
            shared,
            reply,
            reply_sockets: Mutex::default(),
            owners: Mutex::default(),
            sessions: Mutex::default(),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }

    /// Takes one datagram. It is answered here if its process is known, else by a task that finds out first.
    async fn take(self: Arc<Self>, bytes: &[u8], datagram: Datagram) {
        let pair = (datagram.source, datagram.destination);
        let known = lock(&self.owners)
            .get(&pair)
            .filter(|owner| owner.since.elapsed() < OWNER_FRESH)
            .copied();
        if let Some(owner) = known {
            return self.answer(bytes, datagram, owner.process);
        }
        let Ok(slot) = self.waiting.clone().try_acquire_owned() else {
            return self.answer(bytes, datagram, None);
        };
        let bytes = bytes.to_vec();
        let tasks = self.shared.tasks.clone();
        tasks.spawn(async move {
            let process = self.shared.attribute(Transport::Udp, pair.0, pair.1).await;
            self.remember(pair, process);
            self.answer(&bytes, datagram, process);
            drop(slot);
        });
    }

    fn remember(&self, pair: (SocketAddr, SocketAddr), process: Option<ProcessId>) {
        let mut owners = lock(&self.owners);
        if owners.len() >= OWNERS {
            owners.clear();
        }
        let since = Instant::now();
        owners.insert(pair, Owner { process, since });
    }

    fn answer(&self, bytes: &[u8], datagram: Datagram, owner: Option<ProcessId>) {
        let is_dns = self.shared.meaning(datagram.destination.port()) == 53;
        let phase = self.shared.phase();
        let party = match owner {
            Some(owner) if is_dns => Party::Process(phase, owner, datagram.destination),
            _ => Party::Socket(phase, datagram.source, datagram.destination),
        };
        let answered = is_dns.then(|| dns::answer(bytes, &self.shared.names, true));
        let reply = answered
            .as_ref()
            .and_then(|answered| answered.reply.as_deref());
        let record = self.record(party, bytes, datagram, owner, answered.as_ref());
        if let Some(record) = &record {
            record
                .bytes_out
                .fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
            let source = Some(datagram.source);
            record.traffic(&self.shared, true, source, bytes);
            record.traffic(&self.shared, false, source, reply.unwrap_or_default());
            let sent = reply.map_or(0, <[u8]>::len) as u64;
            record
                .bytes_in
                .fetch_add(sent, std::sync::atomic::Ordering::Relaxed);
            if let Some(answered) = &answered {
                dns::note(&self.shared, record, answered);
            }
            record.end(self.shared.now_us());
        }
        if let Some(reply) = reply
            && let Err(error) = self.send(reply, datagram)
        {
            tracing::debug!(%error, "a datagram could not be answered");
        }
    }

    /// The record of a datagram's conversation, with the bytes held that no message will hold.
    fn record(
        &self,
        party: Party,
        bytes: &[u8],
        datagram: Datagram,
        owner: Option<ProcessId>,
        answered: Option<&dns::Answered>,
    ) -> Option<Arc<Record>> {
        let mut sessions = lock(&self.sessions);
        let session = match sessions.entry(party) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let (source, destination) = (datagram.source, datagram.destination);
                let record = self.shared.open_flow(Transport::Udp, source, destination)?;
                record.with(|flow| flow.process = owner);
                match answered {
                    Some(_) => record.layer("dns", Some(Protocol::Dns)),
                    None => record.layer("raw", Some(Protocol::Raw)),
                }
                let held = Held::new(&self.shared, self.shared.config.max_flow_bytes);
                entry.insert(Session { record, held })
            }
        };
        if answered.is_none_or(|answered| answered.malformed) {
            session.held.push(bytes);
            let message = FlowMessage {
                summary: Hostile::from(bytes).shortened(SHOWN),
                headers: Vec::new(),
                body: None,
                body_bytes: bytes.len() as u64,
                answer: answered
                    .and_then(|a| a.reply.as_ref())
                    .map_or("", |_| "FORMERR")
                    .into(),
            };
            session.record.message(&self.shared, message);
        }
        Some(session.record.clone())
    }

    fn send(&self, reply: &[u8], datagram: Datagram) -> io::Result<()> {
        self.reply_socket(datagram.destination)?
            .send_to(reply, datagram.source)
            .map(drop)
    }

    fn reply_socket(&self, from: SocketAddr) -> io::Result<Arc<std::net::UdpSocket>> {
        let mut sockets = lock(&self.reply_sockets);
        sockets.clock += 1;
        let now = sockets.clock;
        if let Some((socket, used)) = sockets.kept.get_mut(&from) {
            *used = now;
            return Ok(socket.clone());
        }
        let socket = (self.reply)(from)?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(socket);
        if sockets.kept.len() >= REPLY_SOCKETS {
            let oldest = sockets.kept.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(from, _)| *from) {
                sockets.kept.remove(&oldest);
            }
        }
        sockets.kept.insert(from, (socket.clone(), now));
        Ok(socket)
    }

    /// Keeps and searches what was held of every conversation.
    pub(crate) async fn close(&self) {
        let sessions = std::mem::take(&mut *lock(&self.sessions));
        for session in sessions
            .into_values()
            .filter(|session| session.held.total > 0)
        {
            let held = Arc::new(session.held);
            let blob = session.record.keep(&self.shared, &held).await;
            session.record.with(|flow| flow.sent_blob = blob);
            session.record.search(&self.shared, held, "raw").await;
        }
    }
}
