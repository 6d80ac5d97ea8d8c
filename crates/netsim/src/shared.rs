//! What all tasks of one simulation share: configuration, records, budgets.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use apa_model::{Flow, Incomplete, IncompleteCode, Phase, ProcessId, Transport};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::NetsimConfig;
use crate::ca::Forge;
use crate::decode::{Matcher, Scan};
use crate::labels::Labels;
use crate::names::Names;
use crate::record::Record;
use crate::uploads::Uploads;
use crate::wire::Wire;

/// How long a flow waits to learn whose it is.
const ATTRIBUTION: Duration = Duration::from_millis(250);
/// Attributions under way at once.
const ATTRIBUTIONS: usize = 32;
/// Processor time all scans of a run may take; past it nothing more is searched.
const SCANNING: Duration = Duration::from_secs(60);

/// A bound that was hit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bound {
    OpenFlows,
    Flows,
    Messages,
    Bytes,
    Decoding,
    Names,
}

impl Bound {
    fn words(self) -> &'static str {
        match self {
            Self::OpenFlows => "connections were reset because too many were open at once",
            Self::Flows => "conversations were not recorded because there were too many",
            Self::Messages => "messages were not recorded because their conversation had too many",
            Self::Bytes => "request bodies or streams were kept only in part",
            Self::Decoding => "messages were not decoded to the end when searched for baits",
            Self::Names => "names were looked up past the number that is remembered",
        }
    }
}

/// A connection that a service waits for, with the record of its flow.
pub(crate) struct Arrival {
    pub(crate) wire: Option<Wire>,
    record: Arc<Record>,
    shared: Arc<Shared>,
    _slot: OwnedSemaphorePermit,
}

impl Arrival {
    pub(crate) fn new(
        wire: Wire,
        record: Arc<Record>,
        shared: Arc<Shared>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            wire: Some(wire),
            record,
            shared,
            _slot: slot,
        }
    }

    /// Marks the end of its flow.
    pub(crate) fn end(&self) {
        self.record.end(self.shared.now_us());
    }
}

/// Connections that are waited for at once.
const EXPECTED: usize = 256;

pub(crate) struct Shared {
    pub(crate) config: NetsimConfig,
    pub(crate) forge: Forge,
    pub(crate) matcher: Matcher,
    pub(crate) names: Names,
    pub(crate) labels: Labels,
    /// The fields of all HTTP requests, by host.
    pub(crate) requests: Labels,
    /// Slots for open connections.
    pub(crate) open: Arc<Semaphore>,
    /// Nothing new is accepted once it is set.
    pub(crate) closing: CancellationToken,
    /// Every open connection reads its end once it is set.
    pub(crate) stop: CancellationToken,
    /// The tasks of all flows.
    pub(crate) tasks: TaskTracker,
    /// Bytes held in memory.
    pub(crate) buffered: AtomicU64,
    /// What the sample stored on file servers.
    pub(crate) uploads: Uploads,
    expected: Mutex<HashMap<SocketAddr, oneshot::Sender<Arrival>>>,
    attributing: Arc<Semaphore>,
    records: Mutex<Vec<Arc<Record>>>,
    bounds: Mutex<BTreeMap<(Bound, Phase), u64>>,
    scanned_us: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: NetsimConfig, forge: Forge) -> Self {
        Self {
            forge,
            matcher: Matcher::new(&config.canaries),
            names: Names::new(&config.own_names, config.name_policy.clone()),
            labels: Labels::default(),
            requests: Labels::default(),
            open: Arc::new(Semaphore::new(config.max_open_flows)),
            closing: CancellationToken::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            buffered: AtomicU64::new(0),
            uploads: Uploads::default(),
            expected: Mutex::default(),
            attributing: Arc::new(Semaphore::new(ATTRIBUTIONS)),
            records: Mutex::default(),
            bounds: Mutex::default(),
            scanned_us: AtomicU64::new(0),
            config,
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.config.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The port whose services are expected at this one.
    pub(crate) fn meaning(&self, port: u16) -> u16 {
        match self.config.ports.get(&port) {
            Some(meant) => *meant,
            None if port == self.config.dns.port() => 53,
            None => port,
        }
    }

    /// Waits for a connection to this address; false when somebody else does, or too many are waited for.
    pub(crate) fn expect(&self, at: SocketAddr, tell: oneshot::Sender<Arrival>) -> bool {
        let mut expected = lock(&self.expected);
        expected.retain(|_, tell| !tell.is_closed());
        let free = expected.len() < EXPECTED && !expected.contains_key(&at);
        if free {
            expected.insert(at, tell);
        }
        free
    }

    /// Who waits for a connection to this address.
    pub(crate) fn expecting(&self, at: SocketAddr) -> Option<oneshot::Sender<Arrival>> {
        lock(&self.expected).remove(&at)
    }

    pub(crate) fn phase(&self) -> Phase {
        (self.config.phase)()
    }

    /// Starts a flow's record; `None` when there are too many.
    pub(crate) fn open_flow(
        &self,
        transport: Transport,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<Arc<Record>> {
        let phase = self.phase();
        let mut records = lock(&self.records);
        if records.len() >= self.config.max_flows {
            drop(records);
            self.hit(Bound::Flows, phase);
            return None;
        }
        let record = Arc::new(Record::new(Flow {
            id: u32::try_from(records.len() + 1).unwrap_or(u32::MAX),
            started_us: self.now_us(),
            ended_us: None,
            phase,
            process: None,
            owner: None,
            transport,
            source,
            destination,
            resolved_name: self.names.of(destination.ip()).map(Into::into),
            layers: vec![match transport {
                Transport::Tcp => "tcp".to_owned(),
                Transport::Udp => "udp".to_owned(),
            }],
            sni: None,
            tls_failure: None,
            protocol: apa_model::Protocol::Raw,
            messages: Vec::new(),
            bytes_out: 0,
            bytes_in: 0,
            sent_blob: None,
            canary_hits: Vec::new(),
            truncated: false,
        }));
        records.push(record.clone());
        Some(record)
    }

    /// The process behind a socket, if that is known in time.
    pub(crate) async fn attribute(
        &self,
        transport: Transport,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Option<ProcessId> {
        let attribute = self.config.attribute.clone();
        let slots = self.attributing.clone();
        let found = tokio::time::timeout(ATTRIBUTION, async move {
            // The slot goes with the call, so that calls which hang cannot pile up.
            let slot = slots.acquire_owned().await.ok()?;
            tokio::task::spawn_blocking(move || {
                let found = attribute(transport, source, destination);
                drop(slot);
                found
            })
            .await
            .ok()?
        });
        found.await.ok().flatten()
    }

    /// Notes a bound that was hit.
    pub(crate) fn hit(&self, bound: Bound, phase: Phase) {
        *lock(&self.bounds).entry((bound, phase)).or_default() += 1;
    }

    /// Searches for baits on this thread, within what is left of the run's budget for it.
    pub(crate) fn search(&self, bytes: &[u8], origin: &str) -> Scan {
        let spent = self.scanned_us.load(Ordering::Relaxed);
        if u128::from(spent) > SCANNING.as_micros() {
            return Scan {
                hits: Vec::new(),
                gave_up: true,
            };
        }
        let started = Instant::now();
        let scan = self.matcher.search(bytes, origin);
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.scanned_us.fetch_add(took, Ordering::Relaxed);
        scan
    }

    pub(crate) fn flow_count(&self) -> usize {
        lock(&self.records).len()
    }

    /// All flows as they are now, by id.
    pub(crate) fn flows(&self) -> Vec<Flow> {
        lock(&self.records)
            .iter()
            .map(|record| record.snapshot())
            .collect()
    }

    /// The bounds that were hit, in words.
    pub(crate) fn incomplete(&self) -> Vec<Incomplete> {
        lock(&self.bounds)
            .iter()
            .map(|((bound, phase), count)| Incomplete {
                code: IncompleteCode::FlowLimit,
                phase: Some(*phase),
                detail: format!("{count} {}", bound.words()).into(),
            })
            .collect()
    }
}

/// Locks; a task that panicked with the lock held leaves data that is still worth reporting.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
