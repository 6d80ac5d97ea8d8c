//! What the threads of a session share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use apa_model::{
    Event, EventKind, IncompleteCode, Known, Outcome, Owner, OwnerRule, Phase, ProcessExit,
    ProcessId,
};

use crate::TraceConfig;
use crate::capture::Keeper;
use crate::glob;
use crate::log::{Log, Weight};
use crate::tree::{Attempt, Tree};

pub(crate) struct Shared {
    pub(crate) all_syscalls: bool,
    pub(crate) env_values: Vec<String>,
    pub(crate) capture_under: Vec<String>,
    pub(crate) keeper: Keeper,
    owners: RwLock<Arc<Vec<OwnerRule>>>,
    /// Notified whenever a process ended.
    pub(crate) ended: Condvar,
    protected: Vec<String>,
    started: Instant,
    phase: Mutex<Phase>,
    tree: Mutex<Tree>,
    log: Arc<Mutex<Log>>,
}

impl Shared {
    pub(crate) fn new(config: TraceConfig) -> Self {
        let log = Arc::new(Mutex::new(Log::new(config.max_events)));
        Self {
            all_syscalls: config.all_syscalls,
            keeper: Keeper::start(
                config.blobs,
                config.max_captured_bytes,
                config.max_captured_file_bytes,
                Arc::clone(&log),
            ),
            env_values: config.env_values,
            capture_under: config.capture_under,
            owners: RwLock::new(Arc::new(config.owners)),
            ended: Condvar::new(),
            protected: config.protected,
            started: config.started,
            phase: Mutex::new(Phase::Install),
            tree: Mutex::default(),
            log,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        *lock(&self.phase)
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = phase;
    }

    pub(crate) fn owner_rules(&self) -> Arc<Vec<OwnerRule>> {
        let rules = self.owners.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&rules)
    }

    pub(crate) fn set_owner_rules(&self, rules: Vec<OwnerRule>) {
        *self.owners.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }

    /// Never taken while the tree is locked by the same thread.
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    pub(crate) fn is_protected(&self, path: &[u8]) -> bool {
        self.protected
            .iter()
            .any(|pattern| glob::matches(pattern.as_bytes(), path))
    }

    pub(crate) fn is_captured(&self, path: &[u8]) -> bool {
        self.capture_under.iter().any(|prefix| {
            let prefix = prefix.trim_end_matches('/').as_bytes();
            path.starts_with(prefix) && path.get(prefix.len()) == Some(&b'/')
        })
    }

    /// Records an act of a process.
    pub(crate) fn record(
        &self,
        process: ProcessId,
        kind: EventKind,
        outcome: Outcome,
        weight: Weight,
    ) -> Option<u64> {
        let owner = self.tree().owner(process).cloned();
        let phase = self.phase();
        let mut log = self.log();
        let event = Event {
            seq: 0,
            at_us: self.now_us(),
            phase,
            process,
            owner: owner.unwrap_or(Owner::Harness),
            kind,
            outcome,
        };
        log.push(event, weight)
    }

    /// Records a program that was not loaded after all.
    pub(crate) fn record_failed(&self, attempt: Attempt, errno: Option<i32>) {
        let outcome = match (errno, attempt.errno) {
            (Some(errno), _) => Outcome {
                errno: Some(errno),
                known: Known::Observed,
            },
            (None, Some(errno)) if errno != 0 => Outcome {
                errno: Some(errno),
                known: Known::Predicted,
            },
            _ => Outcome::UNKNOWN,
        };
        let kind = EventKind::Exec {
            exe: attempt.exe,
            argv: attempt.argv,
            cwd: attempt.cwd,
            sha256: None,
        };
        self.record(attempt.process, kind, outcome, Weight::Security);
    }

    /// Marks a process as ended and wakes whoever waits for that.
    pub(crate) fn end(&self, process: ProcessId, exit: ProcessExit) {
        self.record(
            process,
            EventKind::Exit { exit },
            Outcome::OK,
            Weight::Change,
        );
        self.tree().process_ended(process, exit, self.now_us());
        self.ended.notify_all();
    }

    pub(crate) fn problem(&self, code: IncompleteCode, detail: &str) {
        let phase = self.phase();
        self.log().problem(code, phase, detail);
    }
}

/// A thread that panicked while it held a lock leaves data that is still whole enough to be reported.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
