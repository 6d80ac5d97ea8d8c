//! The vocabulary every other crate speaks: packages, profiles, events, flows, facts, findings,
//! verdicts and the report. This crate does no I/O.
//!
//! Strings that come from a package are [`Hostile`]: their `Display` escapes, so that they can be
//! shown anywhere. The report's JSON shape is fixed by the types in [`report`]; members may be added,
//! never renamed.

mod canary;
mod event;
mod exit;
mod hostile;
mod package;
mod plan;
mod profile;
pub mod report;
pub mod scan;
mod verdict;

pub use canary::{Canary, CanaryHit, CanaryKind};
pub use event::{
    Access, Event, EventKind, Flow, FlowMessage, Known, Outcome, Owner, Process, ProcessExit,
    ProcessId, Protocol, Transport,
};
pub use exit::ExitCode;
pub use hostile::Hostile;
pub use package::{Artifact, ArtifactKind, Ecosystem, PackageRef, PackageRefError};
pub use plan::{
    ExpectedHook, FileContent, HookName, OwnerRule, OwnerSource, Plan, PlannedFile, ProcessMatch,
    Program, Step, StepKind,
};
pub use profile::{Limits, NetworkMode, Persona, Phase, Profile};
pub use verdict::{
    Anomaly, Capability, Confidence, Evidence, Fact, Finding, Incomplete, IncompleteCode, RuleInfo,
    Severity, Verdict, VerdictLabel,
};

/// SHA-256 in lower-case hexadecimal: names an artifact or a blob.
pub type Digest = String;

/// Where bytes are kept by their hash. Implemented by the store; used by whoever sees bytes first.
pub trait BlobSink: Send + Sync {
    /// Keeps what `reader` gives, to its end. Returns the SHA-256 and the number of bytes. Keeping the same
    /// bytes twice is cheap.
    ///
    /// # Errors
    /// When reading or keeping fails; nothing is kept then.
    fn put(&self, reader: &mut dyn std::io::Read) -> std::io::Result<(Digest, u64)>;
}
