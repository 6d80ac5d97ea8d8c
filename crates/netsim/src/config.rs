use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use apa_model::{BlobSink, Canary, NetworkMode, Phase, ProcessId, Transport};

use crate::{Ca, Clock, Rules};

/// Says which process has a socket: transport, the sample's address, the address it meant. May block; it is called off
/// the asynchronous threads and given up on after a quarter of a second.
pub type Attribute =
    Arc<dyn Fn(Transport, SocketAddr, SocketAddr) -> Option<ProcessId> + Send + Sync>;

/// Makes a UDP socket that sends from an address of anybody's.
pub type ReplySocket = Arc<dyn Fn(SocketAddr) -> io::Result<std::net::UdpSocket> + Send + Sync>;

/// Connects to the sample, from an address (of anybody's) to one of its own. May block; it is called off the
/// asynchronous threads.
pub type Connect =
    Arc<dyn Fn(SocketAddr, SocketAddr) -> io::Result<std::net::TcpStream> + Send + Sync>;

/// Listens on any port of an address.
pub type DataListener = Arc<dyn Fn(IpAddr) -> io::Result<std::net::TcpListener> + Send + Sync>;

/// How a name is answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameAnswer {
    /// As every name is: it exists, with an address of its own.
    Usual,
    /// It has this address.
    Address(IpAddr),
    /// It does not exist.
    Absent,
    /// The name server fails.
    Failure,
    /// The question is not answered.
    Silence,
}

/// Decides on a name: lower case, without the last dot. Must not block.
pub type NamePolicy = Arc<dyn Fn(&[u8]) -> NameAnswer + Send + Sync>;

/// What a simulation needs to know, and its bounds. Each bound that is hit is reported.
pub struct NetsimConfig {
    /// Signs the certificates of all simulated services.
    pub ca: Ca,
    /// The name server the sandbox is told to use. Its port is taken for a name server's at any address.
    pub dns: SocketAddr,
    /// Names with a fixed address, for one the sandbox's own host name. `localhost` need not be among them.
    pub own_names: Vec<(String, IpAddr)>,
    /// Decides how other names are answered for; without it all that could exist do.
    pub name_policy: Option<NamePolicy>,
    /// Ports that stand for others: where the privileged ones cannot be had, 2525 may be taken for 25.
    pub ports: BTreeMap<u16, u16>,
    /// For active transfers; without it they fail.
    pub connect: Option<Connect>,
    /// For passive transfers where connections to ports of their own do not reach [`Sockets::tcp`] anyway.
    pub data_listener: Option<DataListener>,
    /// The baits to look for in whatever the sample sends.
    pub canaries: Vec<Canary>,
    /// Where bodies and raw bytes are kept.
    pub blobs: Arc<dyn BlobSink>,
    /// Zero of every flow's times.
    pub started: Instant,
    /// Finds the process behind a socket.
    pub attribute: Attribute,
    /// The phase that goes on now. Must not block.
    pub phase: Arc<dyn Fn() -> Phase + Send + Sync>,
    /// Which answers HTTP requests get; `None`: those compiled in.
    pub rules: Option<Arc<Rules>>,
    /// How the network as a whole behaves.
    pub mode: NetworkMode,
    /// The time that services tell.
    pub clock: Clock,
    /// Flows recorded. Later connections are reset, later datagrams answered but not recorded.
    pub max_flows: usize,
    /// Connections open at once. Further ones are reset.
    pub max_open_flows: usize,
    /// Messages recorded per flow.
    pub max_messages: usize,
    /// Bytes kept of one request body.
    pub max_body_bytes: u64,
    /// Raw bytes, or bytes of header lines, kept of one flow.
    pub max_flow_bytes: u64,
    /// Bytes of all flows held in memory at once, before they are kept as blobs.
    pub max_buffered_bytes: u64,
    /// Bytes of traffic recorded for [`crate::Capture`]; 0 records none.
    pub max_captured_bytes: u64,
}

impl NetsimConfig {
    /// A configuration with the default bounds.
    pub fn new(
        ca: Ca,
        dns: SocketAddr,
        canaries: Vec<Canary>,
        blobs: Arc<dyn BlobSink>,
        started: Instant,
        attribute: Attribute,
        phase: Arc<dyn Fn() -> Phase + Send + Sync>,
    ) -> Self {
        Self {
            ca,
            dns,
            own_names: Vec::new(),
            name_policy: None,
            ports: BTreeMap::new(),
            connect: None,
            data_listener: None,
            canaries,
            blobs,
            started,
            attribute,
            phase,
            rules: None,
            mode: NetworkMode::default(),
            clock: Clock::default(),
            max_flows: 10_000,
            max_open_flows: 512,
            max_messages: 2_000,
            max_body_bytes: 16 << 20,
            max_flow_bytes: 1 << 20,
            max_buffered_bytes: 256 << 20,
            max_captured_bytes: 64 << 20,
        }
    }
}

/// The sandbox's sockets. Listeners are transparent: the local address of a connection they accept is the address the
/// sample meant; datagrams carry it as a control message (where it is missing, the socket's own address is taken).
pub struct Sockets {
    /// Listeners, IPv4 and IPv6.
    pub tcp: Vec<std::net::TcpListener>,
    /// Datagram sockets, IPv4 and IPv6.
    pub udp: Vec<std::net::UdpSocket>,
    /// Makes the sockets that datagrams are answered from.
    pub reply: ReplySocket,
}

/// Why a simulation could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NetsimError {
    /// A certificate could not be made.
    #[error(
        "cannot make the certificate authority of this run; check that the system clock is right"
    )]
    Certificate(#[source] rcgen::Error),
    /// The TLS library refused its set-up.
    #[error("cannot set up TLS for the simulated services")]
    Tls(#[source] rustls::Error),
    /// The rules that are compiled in are malformed.
    #[error("cannot use the rules of the simulated services")]
    Rules(#[from] crate::RulesError),
    /// A socket could not be used.
    #[error(
        "cannot use a {what} socket of the sandbox; is it bound, and is this called inside a tokio runtime?"
    )]
    Socket {
        /// `TCP` or `UDP`.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
