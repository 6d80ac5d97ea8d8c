//! The report: what `--format json` prints. Members may be added, never renamed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Anomaly, Artifact, CanaryKind, Capability, Digest, Ecosystem, Fact, Finding, Flow, Hostile,
    Incomplete, Known, Limits, Owner, Persona, Phase, Process, ProcessId, Verdict,
};

/// Version of this shape: the major number changes when a member changes its meaning.
pub const SCHEMA_VERSION: &str = "1.0";

/// Everything one analysis found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// Id of the analysis.
    pub analysis: String,
    /// When it started, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, milliseconds.
    pub wall_ms: u64,
    /// What the process ends with.
    pub exit_code: u8,
    /// Nothing is missing.
    pub complete: bool,
    /// What was analysed.
    pub package: PackageInfo,
    /// The artifact the genuine client would choose.
    pub artifact: Option<Artifact>,
    /// All that were analysed.
    pub artifacts: Vec<Artifact>,
    /// The judgement.
    pub verdict: Verdict,
    /// What rules found, worst first.
    pub findings: Vec<Finding>,
    /// What took place.
    pub phases: Vec<PhaseRecord>,
    /// What the package was seen doing.
    pub capabilities: Vec<CapabilityRecord>,
    /// Normalised statements.
    pub facts: Vec<Fact>,
    /// Totals.
    pub counts: Counts,
    /// The process tree, all artifacts.
    pub processes: Vec<ProcessRecord>,
    /// Files touched outside the package's own folders by package code, most telling first.
    pub files: Vec<FileRecord>,
    /// Network conversations.
    pub flows: Vec<FlowRecord>,
    /// Files that package code wrote.
    pub dropped: Vec<Dropped>,
    /// Baits and their fate.
    pub canaries: Vec<CanaryRecord>,
    /// Code that was made while the package ran, as probes in its own processes tell.
    #[serde(default)]
    pub runtime_code: Vec<RuntimeCode>,
    /// Oddities found without running anything.
    pub anomalies: Vec<Anomaly>,
    /// Recorded calls by name, per phase and process.
    pub syscalls: Vec<SyscallCount>,
    /// How it was run.
    pub sandbox: Option<SandboxInfo>,
    /// The registries were shown as they were at this time; `None`: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

/// The package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageInfo {
    /// With the exact version where there is one.
    pub purl: String,
    /// Where it is published.
    pub ecosystem: Ecosystem,
    /// Its name.
    pub name: Hostile,
    /// Its version; `None` where a local file does not say.
    pub version: Option<Hostile>,
    /// When it was published, as the registry says; `None`: unknown.
    pub published_at: Option<Hostile>,
    /// The version before it, by publish time; `None`: unknown.
    pub previous_version: Option<Hostile>,
}

/// A phase of one artifact's detonation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseRecord {
    /// Which phase.
    pub name: Phase,
    /// Of which artifact (SHA-256).
    pub artifact: Digest,
    /// How it ended.
    pub status: PhaseStatus,
    /// How long it took, milliseconds.
    pub wall_ms: u64,
    /// Limits it ran into.
    pub limits_hit: Vec<String>,
    /// Commands, modules, programs and functions it went through.
    pub entries: Vec<EntryRecord>,
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseStatus {
    /// It went through; single entries may have failed by themselves (a module that raises).
    Completed,
    /// Its command failed.
    Failed,
    /// Its time was up.
    TimedOut,
    /// It ran into another limit.
    LimitHit,
    /// It did not take place.
    Skipped,
}

/// One command, module, program or function of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryRecord {
    /// Its name.
    pub name: Hostile,
    /// `done`, `failed`, `crashed`, `timed_out`, `not_reached`.
    pub status: String,
    /// Last lines of its output or its error.
    pub detail: Hostile,
}

/// A capability with how often it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapabilityRecord {
    /// Which.
    pub capability: Capability,
    /// In which phases.
    pub phases: Vec<Phase>,
    /// How many facts show it.
    pub facts: u32,
}

/// Totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Events kept.
    pub events: u64,
    /// Events lost.
    pub lost: u64,
    /// Processes.
    pub processes: u64,
    /// Network conversations.
    pub flows: u64,
    /// Calls of interest, kept or only counted.
    pub syscalls: u64,
}

/// A process with the artifact whose run it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessRecord {
    /// SHA-256.
    pub artifact: Digest,
    /// The process.
    #[serde(flatten)]
    pub process: Process,
}

/// A conversation with the artifact whose run it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowRecord {
    /// SHA-256.
    pub artifact: Digest,
    /// The conversation.
    #[serde(flatten)]
    pub flow: Flow,
}

/// A file that package code touched outside the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRecord {
    /// Of which artifact's run (SHA-256).
    pub artifact: Digest,
    /// Absolute path inside the sandbox.
    pub path: Hostile,
    /// `read`, `write`, `delete`, `stat`, `chmod`, …, sorted.
    pub acts: Vec<String>,
    /// Whether at least one succeeded; `None`: unknown.
    pub succeeded: Option<bool>,
    /// First phase.
    pub phase: Phase,
    /// Whose act.
    pub owner: Owner,
    /// First process.
    pub process: ProcessId,
}

/// A file that package code wrote, kept by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// Of which artifact's run (SHA-256).
    pub artifact: Digest,
    /// Absolute path inside the sandbox when it was kept.
    pub path: Hostile,
    /// SHA-256; `None` when it was too large to keep.
    pub sha256: Option<Digest>,
    /// Bytes.
    pub size: u64,
    /// Why it was kept: `deleted`, `renamed`, `overwritten`, `executed`, `remained`.
    pub when: String,
    /// Permission bits.
    pub mode: u32,
    /// Who, where known.
    pub process: Option<ProcessId>,
    /// Whose, where known.
    pub owner: Option<Owner>,
    /// Phase it was kept in.
    pub phase: Phase,
}

/// Text that was made into code while the package ran: given to `eval`, `exec` or `compile`, or loaded as byte code.
///
/// It is never the only evidence, because the process that tells of it is the sample's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuntimeCode {
    /// Of which artifact's run (SHA-256).
    pub artifact: Digest,
    /// Where.
    pub phase: Phase,
    /// The module or function that was loaded or called then.
    pub entry: Hostile,
    /// `javascript`, `python` or `python-bytecode`.
    pub language: String,
    /// SHA-256 of the text, which is kept as a blob.
    pub sha256: Digest,
    /// Bytes of the text; it is cut at 40,000.
    pub size: u64,
    /// Its first bytes.
    pub excerpt: Hostile,
    /// Addresses in it, the first few.
    pub urls: Vec<Hostile>,
    /// Baits whose secrets are in it, by id.
    pub canaries: Vec<String>,
    /// How it is known.
    pub known: Known,
}

/// A bait's fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CanaryRecord {
    /// Id within the run.
    pub id: String,
    /// Of which artifact's run (SHA-256).
    pub artifact: Digest,
    /// What it looks like.
    pub kind: CanaryKind,
    /// Where.
    pub planted_at: String,
    /// Package code opened it (environment baits: always false).
    pub read: bool,
    /// Its secret was seen leaving.
    pub exfiltrated: bool,
}

/// Calls counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyscallCount {
    /// Of which artifact's run (SHA-256).
    pub artifact: Digest,
    /// Where.
    pub phase: Phase,
    /// Who.
    pub process: ProcessId,
    /// Name of the call.
    pub call: String,
    /// How often.
    pub count: u64,
}

/// How it was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxInfo {
    /// `namespaces`.
    pub isolation: String,
    /// `host (reduced fidelity)`.
    pub image: String,
    /// The machine the sample believed it was on.
    pub persona: Persona,
    /// Its bounds.
    pub limits: Limits,
    /// How each bound was enforced: `memory: cgroup v1`, `pids: rlimit`, …
    pub enforced: Vec<String>,
    /// Tracer: `hybrid (user notification + ptrace)`.
    pub tracer: String,
    /// Milliseconds until the sandbox was ready, per artifact.
    pub ready_ms: Vec<u64>,
    /// Milliseconds to tear it down, per artifact.
    pub teardown_ms: Vec<u64>,
    /// What could not be observed in this set-up, in words.
    pub not_observed: Vec<String>,
    /// Reasons for missing coverage, repeated from the verdict.
    pub incomplete: Vec<Incomplete>,
}

/// JSON Schema of [`Report`].
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}
