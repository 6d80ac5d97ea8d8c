//! Simulated services for a sandbox: every connection and datagram of a sample ends here and is answered plausibly.
//!
//! [`start`] takes sockets that already receive all of the sandbox's traffic. Streams are recognised by their first
//! bytes on any port, TLS is ended with a certificate of the run's own [`Ca`], and what is inside is handed to one
//! service per protocol. [`Netsim::finish`] gives the flows back, with the baits ([`decode`]) seen in them.
//!
//! Nothing here opens a connection to anywhere. Every byte read is hostile: all parsers are bounded, and a bound that
//! was hit is in [`Simulated::incomplete`].

mod answers;
mod ca;
mod capture;
mod clock;
mod config;
pub mod decode;
mod keys;
mod labels;
mod listen;
mod names;
mod record;
mod service;
mod shared;
mod sniff;
mod uploads;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use apa_model::{Canary, Flow, Incomplete};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use answers::{
    Answer, Ask, PUBLISH_LAYER, Published, Rules, RulesError, STAGE_TWO_MARKER, Tried, published,
    try_examples,
};
pub use ca::Ca;
pub use capture::Capture;
pub use clock::Clock;
pub use config::{
    Attribute, Connect, DataListener, NameAnswer, NamePolicy, NetsimConfig, NetsimError,
    ReplySocket, Sockets,
};

use ca::Forge;
use listen::Datagrams;
use shared::Shared;

/// How long open connections have to end by themselves.
const GRACE: Duration = Duration::from_millis(200);
/// How long what they sent may take to be kept and searched after that.
const WINDING_UP: Duration = Duration::from_secs(5);

/// A running simulation.
pub struct Netsim {
    shared: Arc<Shared>,
    datagrams: Arc<Datagrams>,
    listeners: Vec<JoinHandle<()>>,
}

/// What a simulation saw.
#[derive(Debug)]
pub struct Simulated {
    /// All conversations by id.
    pub flows: Vec<Flow>,
    /// The bounds that were hit.
    pub incomplete: Vec<Incomplete>,
    /// Baits that were handed out.
    pub served: Vec<Canary>,
    /// The traffic itself.
    pub capture: Capture,
    /// The secrets of all TLS connections, a line each as in a file of `SSLKEYLOGFILE`.
    pub tls_keys: Vec<String>,
}

/// Starts answering. Must be called inside a tokio runtime.
///
/// # Errors
/// When a socket cannot be used or TLS cannot be set up.
pub fn start(sockets: Sockets, config: NetsimConfig) -> Result<Netsim, NetsimError> {
    let forge = Forge::new(config.ca.clone(), config.clock)?;
    let shared = Arc::new(Shared::new(config, forge)?);
    let datagrams = Arc::new(Datagrams::new(shared.clone(), sockets.reply));
    let mut listeners = Vec::new();
    for socket in sockets.tcp {
        listeners.push(listen::tcp(shared.clone(), socket)?);
    }
    for socket in sockets.udp {
        listeners.push(listen::udp(datagrams.clone(), socket)?);
    }
    Ok(Netsim {
        shared,
        datagrams,
        listeners,
    })
}

impl Netsim {
    /// Flows so far.
    pub fn snapshot(&self) -> usize {
        self.shared.flow_count()
    }

    /// Answers by other rules from now on. Baits of theirs that are new are served, but not looked for.
    pub fn follow(&self, rules: Arc<Rules>) {
        self.shared.follow(rules);
    }

    /// The flows as they are now; those after the first `after` only.
    pub fn flows(&self, after: usize) -> Vec<Flow> {
        self.shared.flows(after)
    }

    /// Takes what has already arrived, gives open connections 200 ms to end, and returns everything.
    pub async fn finish(mut self) -> Simulated {
        self.shared.closing.cancel();
        for listener in std::mem::take(&mut self.listeners) {
            // A listener that panicked has recorded what it had accepted until then.
            let _ = listener.await;
        }
        self.shared.tasks.close();
        if timeout(GRACE, self.shared.tasks.wait()).await.is_err() {
            self.shared.stop.cancel();
            let _ = timeout(WINDING_UP, self.shared.tasks.wait()).await;
        }
        self.datagrams.close().await;
        let shared = self.shared.clone();
        let _ = tokio::task::spawn_blocking(move || {
            shared.labels.search(&shared, labels::NAMES);
            shared.requests.search(&shared, labels::REQUESTS);
        })
        .await;
        Simulated {
            flows: self.shared.flows(0),
            incomplete: self.shared.incomplete(),
            served: self.shared.served(),
            capture: self.shared.capture(),
            tls_keys: self.shared.forge.keys.lines(),
        }
    }
}

/// A simulation that is given up leaves no task behind.
impl Drop for Netsim {
    fn drop(&mut self) {
        self.shared.closing.cancel();
        self.shared.stop.cancel();
    }
}
