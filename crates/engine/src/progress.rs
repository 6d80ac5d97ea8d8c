use std::sync::Arc;

use apa_model::{Hostile, Phase};

/// What is going on, for whoever shows progress.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The registry is asked.
    Resolving(String),
    /// What an empty package does here is measured once; later runs reuse it.
    Baseline(String),
    /// An artifact's detonation begins.
    Artifact(Hostile),
    /// A step of a phase begins.
    Step {
        /// Its phase.
        phase: Phase,
        /// Its name.
        name: String,
    },
    /// Where a harness is in its list.
    Entry {
        /// Its phase.
        phase: Phase,
        /// Entries done.
        done: usize,
        /// Entries in all.
        of: usize,
    },
    /// Totals so far.
    Totals {
        /// Events.
        events: u64,
        /// Processes.
        processes: u64,
    },
    /// A phase ended.
    Phase {
        /// Which.
        phase: Phase,
        /// `completed`, `failed`, …
        status: String,
        /// How long it took, milliseconds.
        wall_ms: u64,
    },
    /// The trace is being judged.
    Judging,
}

/// Is told about progress. Called from several threads.
pub type Observer = Arc<dyn Fn(Progress) + Send + Sync>;
