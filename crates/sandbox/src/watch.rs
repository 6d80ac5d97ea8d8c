//! Notices bounds that are hit, in the background: a full disk may be empty again a moment later.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use apa_model::{Hostile, Incomplete, IncompleteCode, Limits};
use nix::sys::statvfs::fstatvfs;

use crate::cgroup::{Cgroups, Hits};

const INTERVAL: Duration = Duration::from_millis(100);
/// Less than this free, bytes or inodes, counts as full.
const FULL_BYTES: u64 = 64 << 10;
const FULL_INODES: u64 = 2;
/// Processes that the limit counts and the tracer does not: pid 1, and one that is being born or collected.
const OWN_PROCESSES: u64 = 2;

/// Watches one sandbox until dropped.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    cgroups: Arc<Cgroups>,
    root: OwnedFd,
    limits: Limits,
    /// Set by the readers of output.
    output: Arc<AtomicBool>,
    /// Counts processes where no control group does.
    session: Mutex<Option<apa_trace::Session>>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    seen: Hits,
    pending: BTreeMap<IncompleteCode, Hostile>,
}

impl Watch {
    pub(crate) fn start(
        cgroups: Arc<Cgroups>,
        root: OwnedFd,
        limits: Limits,
        output: Arc<AtomicBool>,
    ) -> std::io::Result<Self> {
        let state = Mutex::new(State {
            seen: cgroups.hits(),
            ..State::default()
        });
        let shared = Arc::new(Shared {
            cgroups,
            root,
            limits,
            output,
            session: Mutex::new(None),
            state,
            wake: Condvar::new(),
        });
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("limits".into())
            .spawn(move || watched.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Commands run under this tracer from now on.
    pub(crate) fn traced_by(&self, session: &apa_trace::Session) {
        let mut current = self
            .shared
            .session
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        current.get_or_insert_with(|| session.clone());
    }

    /// What was hit since the last call, each kind once.
    pub(crate) fn take(&self) -> Vec<Incomplete> {
        let mut state = self.shared.lock();
        self.shared.look(&mut state);
        std::mem::take(&mut state.pending)
            .into_iter()
            .map(|(code, detail)| Incomplete {
                code,
                phase: None,
                detail,
            })
            .collect()
    }

    /// Adds something that was noticed elsewhere.
    pub(crate) fn add(&self, code: IncompleteCode, detail: Hostile) {
        self.shared.lock().pending.entry(code).or_insert(detail);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there has nothing left to say here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn live_processes(&self) -> u64 {
        let session = self
            .session
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        session
            .as_ref()
            .map_or(0, |session| session.live_processes() as u64)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.stop {
            self.look(&mut state);
            state = match self.wake.wait_timeout(state, INTERVAL) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn look(&self, state: &mut State) {
        let mut hit = |code, detail: String| {
            state
                .pending
                .entry(code)
                .or_insert_with(|| Hostile::from(detail));
        };
        let now = self.cgroups.hits();
        if now.memory > state.seen.memory {
            let killed = now.memory - state.seen.memory;
            hit(
                IncompleteCode::MemoryLimit,
                format!("out of memory: {killed} processes were killed"),
            );
        }
        if now.pids > state.seen.pids {
            let refused = now.pids - state.seen.pids;
            let limit = self.limits.pids;
            hit(
                IncompleteCode::ProcessLimit,
                format!("{refused} forks beyond {limit} processes were refused"),
            );
        }
        if !self.cgroups.bounds_pids() && self.live_processes() + OWN_PROCESSES >= self.limits.pids
        {
            let limit = self.limits.pids;
            hit(
                IncompleteCode::ProcessLimit,
                format!("{limit} processes were alive at once"),
            );
        }
        if let Ok(disk) = fstatvfs(&self.root) {
            if disk.blocks_available() * disk.fragment_size() < FULL_BYTES {
                let mib = self.limits.disk_bytes >> 20;
                hit(
                    IncompleteCode::DiskLimit,
                    format!("the writable layer was full ({mib} MiB)"),
                );
            } else if disk.files_available() < FULL_INODES {
                let inodes = self.limits.inodes;
                hit(
                    IncompleteCode::DiskLimit,
                    format!("the writable layer was full ({inodes} files)"),
                );
            }
        }
        if self.output.swap(false, Ordering::Relaxed) {
            hit(
                IncompleteCode::OutputLimit,
                "only the end of the output was kept".into(),
            );
        }
        state.seen = now;
    }
}
