//! The record of one flow while it goes on, and the bytes held for it.

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use apa_model::{CanaryHit, Digest, Flow, FlowMessage, Phase, Protocol};

use crate::answers::bare_host;
use crate::capture::Piece;
use crate::shared::{Bound, Shared, lock};

/// Below this many bytes a search is cheaper than handing it to another thread.
const INLINE: usize = 8 << 10;

pub(crate) struct Record {
    flow: Mutex<Flow>,
    /// Bytes of header lines and summaries held in the record.
    text_bytes: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    reset: AtomicBool,
    traffic: Mutex<Traffic>,
}

#[derive(Default)]
struct Traffic {
    pieces: Vec<Piece>,
    /// Some are missing: what came later would not fit to what is there.
    full: bool,
}

impl Record {
    pub(crate) fn new(flow: Flow) -> Self {
        Self {
            flow: Mutex::new(flow),
            text_bytes: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            reset: AtomicBool::new(false),
            traffic: Mutex::default(),
        }
    }

    /// Changes the record.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Flow) -> T) -> T {
        change(&mut lock(&self.flow))
    }

    pub(crate) fn phase(&self) -> Phase {
        self.with(|flow| flow.phase)
    }

    /// Adds an unwrapped layer; the last one decides the protocol.
    pub(crate) fn layer(&self, name: &str, protocol: Option<Protocol>) {
        self.with(|flow| {
            flow.layers.push(name.to_owned());
            if let Some(protocol) = protocol {
                flow.protocol = protocol;
            }
        });
    }

    /// Adds a message, within the bounds.
    pub(crate) fn message(&self, shared: &Shared, mut message: FlowMessage) {
        let size: usize = message.summary.len()
            + message
                .headers
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>();
        let held = self.text_bytes.fetch_add(size as u64, Ordering::Relaxed);
        let full = self.with(|flow| {
            if held > shared.config.max_flow_bytes && !message.headers.is_empty() {
                message.headers.clear();
                flow.truncated = true;
            }
            let full = flow.messages.len() >= shared.config.max_messages;
            flow.truncated |= full;
            if !full {
                message.summary = message.summary.shortened(2048);
                flow.messages.push(message);
            }
            full
        });
        if full {
            shared.hit(Bound::Messages, self.phase());
        }
    }

    pub(crate) fn add_hits(&self, hits: Vec<CanaryHit>) {
        self.with(|flow| {
            for hit in hits {
                if !flow
                    .canary_hits
                    .iter()
                    .any(|known| known.canary == hit.canary)
                {
                    flow.canary_hits.push(hit);
                }
            }
        });
    }

    /// Searches what the sample sent for baits. Larger pieces are searched on a thread of their own.
    pub(crate) async fn search(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        bytes: Arc<Held>,
        origin: &'static str,
    ) {
        if bytes.as_slice().len() <= INLINE {
            self.search_now(shared, bytes.as_slice(), origin);
            return;
        }
        let (record, shared) = (self.clone(), shared.clone());
        let search = tokio::task::spawn_blocking(move || {
            record.search_now(&shared, bytes.as_slice(), origin)
        });
        // A panic in there is a bug in a decoder; the flow's other evidence stands.
        let _ = search.await;
    }

    /// Searches a short piece on this thread.
    pub(crate) fn search_now(&self, shared: &Shared, bytes: &[u8], origin: &str) {
        let scan = shared.search(bytes, origin);
        if scan.gave_up {
            shared.hit(Bound::Decoding, self.phase());
        }
        if !scan.hits.is_empty() {
            let hosts = self.with(|flow| hosts(flow));
            self.add_hits(shared.away_from_home(scan.hits, &hosts));
        }
    }

    /// Keeps bytes as a blob. `None` when there are none or keeping failed, which marks the flow truncated.
    pub(crate) async fn keep(&self, shared: &Arc<Shared>, bytes: &Arc<Held>) -> Option<Digest> {
        if bytes.cut {
            self.with(|flow| flow.truncated = true);
            shared.hit(Bound::Bytes, self.phase());
        }
        if bytes.as_slice().is_empty() {
            return None;
        }
        let (bytes, blobs) = (bytes.clone(), shared.config.blobs.clone());
        let put =
            tokio::task::spawn_blocking(move || blobs.put(&mut Cursor::new(bytes.as_slice())));
        match put.await {
            Ok(Ok((digest, _))) => Some(digest),
            failed => {
                tracing::warn!(?failed, "a body could not be kept");
                self.with(|flow| flow.truncated = true);
                shared.hit(Bound::Bytes, self.phase());
                None
            }
        }
    }

    /// Lets the connection end with a reset.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }

    /// Records bytes as they went over the wire, within the run's bound.
    pub(crate) fn traffic(
        &self,
        shared: &Shared,
        outward: bool,
        source: Option<SocketAddr>,
        bytes: &[u8],
    ) {
        if bytes.is_empty() || shared.config.max_captured_bytes == 0 {
            return;
        }
        let mut traffic = lock(&self.traffic);
        if traffic.full {
            return;
        }
        if !shared.record_traffic(bytes.len()) {
            traffic.full = true;
            return;
        }
        traffic.pieces.push(Piece {
            at_us: shared.now_us(),
            outward,
            source,
            bytes: bytes.to_vec(),
        });
    }

    /// What was recorded, and whether something is missing at its end.
    pub(crate) fn take_traffic(&self) -> (Vec<Piece>, bool) {
        let traffic = std::mem::take(&mut *lock(&self.traffic));
        (traffic.pieces, traffic.full)
    }

    /// Marks the end of the flow.
    pub(crate) fn end(&self, now_us: u64) {
        self.with(|flow| flow.ended_us = Some(now_us));
    }

    /// The record as it is now.
    pub(crate) fn snapshot(&self) -> Flow {
        let mut flow = lock(&self.flow).clone();
        flow.bytes_out = self.bytes_out.load(Ordering::Relaxed);
        flow.bytes_in = self.bytes_in.load(Ordering::Relaxed);
        flow
    }
}

/// What the other side of a flow is called.
fn hosts(flow: &Flow) -> Vec<String> {
    let named = flow.sni.iter().chain(&flow.resolved_name);
    named
        .map(|name| bare_host(&name.lossy()))
        .chain([flow.destination.ip().to_string()])
        .collect()
}

/// Bytes held in memory until they are kept, within a bound of their own and the run's.
pub(crate) struct Held {
    bytes: Vec<u8>,
    most: u64,
    shared: Arc<Shared>,
    /// All bytes that were given, held or not.
    pub(crate) total: u64,
    /// Some were not held.
    pub(crate) cut: bool,
}

impl Held {
    pub(crate) fn new(shared: &Arc<Shared>, most: u64) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            shared: shared.clone(),
            total: 0,
            cut: false,
        }
    }

    /// Holds these bytes.
    pub(crate) fn of(shared: &Arc<Shared>, bytes: &[u8]) -> Arc<Self> {
        let mut held = Self::new(shared, bytes.len() as u64);
        held.push(bytes);
        Arc::new(held)
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.most.saturating_sub(self.bytes.len() as u64);
        let wanted = (bytes.len() as u64).min(room);
        let before = self.shared.buffered.fetch_add(wanted, Ordering::Relaxed);
        let spare = self.shared.config.max_buffered_bytes.saturating_sub(before);
        let taken = wanted.min(spare);
        self.shared
            .buffered
            .fetch_sub(wanted - taken, Ordering::Relaxed);
        let taken = usize::try_from(taken).unwrap_or(0).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        self.cut |= taken < bytes.len();
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared
            .buffered
            .fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}
