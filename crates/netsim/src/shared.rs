//! What all tasks of one simulation share: configuration, records, budgets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use apa_model::{
    Canary, CanaryHit, Flow, Incomplete, IncompleteCode, NetworkMode, Phase, ProcessId, Transport,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answers::{Answer, Ask, Rules, fitting};
use crate::ca::Forge;
use crate::capture::{Capture, Recorded};
use crate::decode::{Matcher, Scan};
use crate::labels::Labels;
use crate::names::Names;
use crate::record::Record;
use crate::uploads::Uploads;
use crate::wire::Wire;
use crate::{NameAnswer, NamePolicy, NetsimConfig, NetsimError};

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
    rules: Mutex<Arc<Rules>>,
    /// Baits that may be handed out, and the ids of those that were.
    servable: Vec<Canary>,
    /// When zero of every flow's times was.
    began: SystemTime,
    /// Bytes of recorded traffic.
    captured: AtomicU64,
    served: Mutex<BTreeSet<String>>,
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

/// What a mode of the network says about all names; `None`: what is usual.
fn name_policy(mode: NetworkMode) -> Option<NamePolicy> {
    let answer = match mode {
        NetworkMode::Nxdomain => NameAnswer::Absent,
        // Their defaults.
        NetworkMode::CompatInetsim => NameAnswer::Address([127, 0, 0, 1].into()),
        NetworkMode::CompatFakenet => NameAnswer::Address([192, 0, 2, 123].into()),
        _ => return None,
    };
    Some(Arc::new(move |_| answer))
}

impl Shared {
    pub(crate) fn new(mut config: NetsimConfig, forge: Forge) -> Result<Self, NetsimError> {
        let rules = match config.rules.take() {
            Some(rules) => rules,
            None => Arc::new(Rules::embedded(config.ca.seed(), config.mode)?),
        };
        let servable = rules.canaries();
        let canaries = [config.canaries.as_slice(), &servable].concat();
        Ok(Self {
            forge,
            matcher: Matcher::new(&canaries),
            rules: Mutex::new(rules),
            servable,
            began: SystemTime::now() - config.started.elapsed(),
            captured: AtomicU64::new(0),
            served: Mutex::default(),
            names: Names::new(
                &config.own_names,
                config
                    .name_policy
                    .clone()
                    .or_else(|| name_policy(config.mode)),
            ),
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
        })
    }

    /// Waits, but no longer than the simulation goes on.
    pub(crate) async fn wait(&self, time: Duration) {
        if !time.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    /// The answer to a request: a rule's, or one that suits its path.
    pub(crate) fn answer(&self, ask: &Ask<'_>) -> Answer {
        let rules = lock(&self.rules).clone();
        let Some(answer) = rules.answer(ask, self.config.clock) else {
            return fitting(ask);
        };
        let baits = rules.baits(&answer.secrets).map(str::to_owned);
        lock(&self.served).extend(baits);
        answer
    }

    /// Answers by other rules from now on.
    pub(crate) fn follow(&self, rules: Arc<Rules>) {
        *lock(&self.rules) = rules;
    }

    /// Leaves out the baits that are seen where they belong.
    pub(crate) fn away_from_home(
        &self,
        mut hits: Vec<CanaryHit>,
        hosts: &[String],
    ) -> Vec<CanaryHit> {
        if !hits.is_empty() {
            let rules = lock(&self.rules).clone();
            hits.retain(|hit| !rules.is_at_home(&hit.canary, hosts));
        }
        hits
    }

    /// The baits that were handed out.
    pub(crate) fn served(&self) -> Vec<Canary> {
        let served = lock(&self.served);
        let servable = self.servable.iter();
        servable
            .filter(|canary| served.contains(&canary.id))
            .cloned()
            .collect()
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

    /// All flows as they are now, by id, without the first ones.
    pub(crate) fn flows(&self, after: usize) -> Vec<Flow> {
        lock(&self.records)
            .iter()
            .skip(after)
            .map(|record| record.snapshot())
            .collect()
    }

    /// The recorded traffic, taken out of the records.
    pub(crate) fn capture(&self) -> Capture {
        let records = lock(&self.records);
        Capture {
            began: self.began,
            flows: records
                .iter()
                .map(|record| {
                    let (pieces, cut) = record.take_traffic();
                    Recorded {
                        flow: record.snapshot(),
                        pieces,
                        cut,
                    }
                })
                .collect(),
            keys: self.forge.keys.lines(),
        }
    }

    /// Makes room for so many bytes of recorded traffic; false when there is none.
    pub(crate) fn record_traffic(&self, bytes: usize) -> bool {
        let before = self.captured.fetch_add(bytes as u64, Ordering::Relaxed);
        let fits = before + bytes as u64 <= self.config.max_captured_bytes;
        if !fits {
            self.captured.fetch_sub(bytes as u64, Ordering::Relaxed);
        }
        fits
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
