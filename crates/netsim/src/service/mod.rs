//! Simulated services, one file or folder each. To add one: implement [`session::Dialogue`] (or [`Service`], for what is
//! no exchange of commands) in a file, add a line to [`SERVICES`].

pub(crate) mod dns;
mod ftp;
mod http;
mod imap;
mod irc;
mod mailbox;
mod pop3;
mod raw;
mod sasl;
mod session;
mod smtp;
mod socks;
mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use apa_model::{NetworkMode, Protocol};

use crate::record::Record;
use crate::shared::Shared;
use crate::sniff::recognise;
use crate::wire::Wire;

/// Every service that recognises its protocol by the client's first bytes, in order of precedence.
pub(crate) const SERVICES: &[&dyn Service] = &[
    &tls::Tls,
    &socks::Socks,
    &smtp::Smtp,
    &pop3::Pop3,
    &imap::Imap,
    &irc::Irc,
    &ftp::Ftp,
    &http::Http2,
    &http::Http,
    &dns::DnsOverTcp,
];

/// What is left to a stream that no service recognises.
pub(crate) const SINK: &dyn Service = &raw::Raw;

/// Layers unwrapped in one connection (TLS, proxied connections), at most.
const LAYERS: usize = 4;

/// Whether a stream is a service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// It is.
    Yes,
    /// It may be, after more bytes.
    Maybe,
    /// It is not.
    No,
}

/// How a service leaves a connection.
pub(crate) enum Next {
    /// It is over.
    Done,
    /// It carries another stream.
    Inner(Wire),
}

pub(crate) type Serving<'a> = Pin<Box<dyn Future<Output = io::Result<Next>> + Send + 'a>>;

/// One simulated protocol.
pub(crate) trait Service: Sync {
    /// Name of its layer in a flow's record.
    fn layer(&self) -> &'static str;
    /// What a flow that ends with this layer speaks; `None` if it only carries others.
    fn protocol(&self) -> Option<Protocol>;
    /// Whether a stream that starts with `first` on `port` is its own. Must not panic on any bytes.
    fn recognises(&self, first: &[u8], port: u16) -> Guess;
    /// Whether a server of it speaks first on this port; `secure` inside TLS.
    fn greets(&self, _port: u16, _secure: bool) -> bool {
        false
    }
    /// Serves one connection to its end.
    fn serve<'a>(&'a self, wire: Wire, talk: &'a mut Talk) -> Serving<'a>;
}

/// One conversation, as the services see it.
#[derive(Clone)]
pub(crate) struct Talk {
    pub(crate) shared: Arc<Shared>,
    pub(crate) record: Arc<Record>,
    /// The address the sample meant.
    pub(crate) destination: SocketAddr,
    /// Inside TLS.
    pub(crate) secure: bool,
    /// The host that an outer layer named: the TLS server name, or the target of CONNECT.
    pub(crate) host: Option<String>,
    /// The port that a proxy was asked for.
    pub(crate) inner_port: Option<u16>,
}

impl Talk {
    /// The port by which a protocol is guessed.
    pub(crate) fn port(&self) -> u16 {
        let port = self.inner_port.unwrap_or(self.destination.port());
        self.shared.meaning(port)
    }

    /// The name of the server the sample meant; its address where there is no name.
    pub(crate) fn name(&self) -> String {
        let resolved = || {
            self.record.with(|flow| {
                flow.resolved_name
                    .as_ref()
                    .map(|name| name.lossy().into_owned())
            })
        };
        self.host
            .clone()
            .or_else(resolved)
            .unwrap_or_else(|| self.destination.ip().to_string())
    }

    /// The same, where it goes into an answer: nothing but a host name.
    pub(crate) fn banner_name(&self) -> String {
        let mut name = self.name();
        name.retain(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
        name.truncate(120);
        name
    }

    /// The service that the network's mode allows: a sinkhole says nothing, but shows names and what is inside TLS.
    fn meant(&self, service: &'static dyn Service) -> &'static dyn Service {
        let sinkhole = self.shared.config.mode == NetworkMode::Sinkhole;
        match service.layer() {
            "tls" | "dns" => service,
            _ if sinkhole => SINK,
            _ => service,
        }
    }

    /// Serves a connection through all its layers and closes its record.
    pub(crate) async fn hold(mut self, mut wire: Wire) {
        for depth in 0.. {
            let service = match depth {
                LAYERS.. => SINK,
                _ => self.meant(recognise(&mut wire, &self).await),
            };
            self.record.layer(service.layer(), service.protocol());
            match service.serve(wire, &mut self).await {
                Ok(Next::Inner(inner)) => wire = inner,
                Ok(Next::Done) => break,
                Err(error) => {
                    tracing::debug!(layer = service.layer(), %error, "a simulated connection ended early");
                    break;
                }
            }
        }
        self.record.end(self.shared.now_us());
    }
}
