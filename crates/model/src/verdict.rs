use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Digest, Hostile, Owner, Phase};

/// How bad a finding is when it is true.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, no threat.
    Info,
    /// Unusual.
    Low,
    /// Risky.
    Medium,
    /// Harmful.
    High,
    /// Harmful beyond doubt when true.
    Critical,
}

/// How sure a finding is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A hint.
    Low,
    /// Likely.
    Medium,
    /// Benign explanations are rare.
    High,
    /// Proven by what was observed.
    Proven,
}

/// Points at what a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// An event of the trace.
    Event {
        /// SHA-256 of the artifact whose run it is.
        artifact: Digest,
        /// [`crate::Event::seq`].
        seq: u64,
        /// In words.
        detail: Hostile,
    },
    /// A network conversation.
    Flow {
        /// SHA-256 of the artifact whose run it is.
        artifact: Digest,
        /// [`crate::Flow::id`].
        flow: u32,
        /// In words.
        detail: Hostile,
    },
    /// A file kept by its hash.
    Blob {
        /// SHA-256 of the bytes.
        sha256: Digest,
        /// In words.
        detail: Hostile,
    },
    /// A bait.
    Canary {
        /// [`crate::Canary::id`].
        canary: String,
        /// In words.
        detail: Hostile,
    },
    /// A place in the artifact.
    File {
        /// Path inside the artifact.
        path: Hostile,
        /// Line, from 1, where it applies.
        line: Option<u32>,
        /// In words.
        detail: Hostile,
    },
}

/// What is known about a rule before it is run.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// Stable name.
    pub id: &'static str,
    /// One line for a person.
    pub title: &'static str,
    /// The worst it can find.
    pub severity: Severity,
    /// The surest it can be.
    pub confidence: Confidence,
    /// ATT&CK technique ids.
    pub attack: &'static [&'static str],
    /// What it looks for, and what it leaves alone.
    pub explanation: &'static str,
}

impl RuleInfo {
    /// Its section of a page about rules, in Markdown.
    pub fn section(&self) -> String {
        let technique = |id: &&str| {
            let path = id.replace('.', "/");
            format!("[{id}](https://attack.mitre.org/techniques/{path}/)")
        };
        let attack: Vec<String> = self.attack.iter().map(technique).collect();
        let word = |level: &dyn fmt::Debug| format!("{level:?}").to_lowercase();
        format!(
            "\n## {}\n\n**{}** · {} · confidence {} · {}\n\n{}\n",
            self.id,
            self.title,
            word(&self.severity),
            word(&self.confidence),
            attack.join(", "),
            self.explanation
        )
    }
}

/// Something a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Rule id, stable: `canary-exfiltrated`.
    pub rule: String,
    /// One line for a person.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// ATT&CK technique ids: `T1552.004`.
    pub attack: Vec<String>,
    /// Where it happened; `static` for what was read.
    pub phase: Phase,
    /// SHA-256 of the artifact it was found in.
    pub artifact: Digest,
    /// What happened, in one or two sentences.
    pub explanation: Hostile,
    /// What it rests on, strongest first.
    pub evidence: Vec<Evidence>,
}

/// What a package was seen doing, from a closed list. A capability alone is no threat.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Capability {
    /// Connected somewhere.
    #[serde(rename = "network.connect")]
    NetworkConnect,
    /// Asked the name service.
    #[serde(rename = "network.dns")]
    NetworkDns,
    /// Spoke HTTP(S).
    #[serde(rename = "network.http")]
    NetworkHttp,
    /// Sent a body or arguments out.
    #[serde(rename = "network.send")]
    NetworkSend,
    /// Fetched content.
    #[serde(rename = "network.download")]
    NetworkDownload,
    /// Waited for connections.
    #[serde(rename = "network.listen")]
    NetworkListen,
    /// Asked a cloud metadata service.
    #[serde(rename = "network.metadata-service")]
    NetworkMetadataService,
    /// Used a raw or packet socket.
    #[serde(rename = "network.raw-socket")]
    NetworkRawSocket,
    /// Started a program.
    #[serde(rename = "exec.program")]
    ExecProgram,
    /// Started a shell.
    #[serde(rename = "exec.shell")]
    ExecShell,
    /// Started a downloader (curl, wget).
    #[serde(rename = "exec.downloader")]
    ExecDownloader,
    /// Started a program that it had written.
    #[serde(rename = "exec.dropped")]
    ExecDropped,
    /// Started a program that exists only in memory.
    #[serde(rename = "exec.memory")]
    ExecMemory,
    /// Ran compilers or linkers.
    #[serde(rename = "exec.toolchain")]
    ExecToolchain,
    /// Left a process running.
    #[serde(rename = "process.daemon")]
    ProcessDaemon,
    /// Looked into or changed another process.
    #[serde(rename = "process.inspect")]
    ProcessInspect,
    /// Signalled a process that is not its own.
    #[serde(rename = "process.kill")]
    ProcessKill,
    /// Changed its privileges or namespaces.
    #[serde(rename = "process.privilege")]
    ProcessPrivilege,
    /// Read a credential file.
    #[serde(rename = "file.read.credential")]
    FileReadCredential,
    /// Read a browser's store.
    #[serde(rename = "file.read.browser")]
    FileReadBrowser,
    /// Read a wallet.
    #[serde(rename = "file.read.wallet")]
    FileReadWallet,
    /// Read files of the home folder outside the project.
    #[serde(rename = "file.read.home")]
    FileReadHome,
    /// Read what identifies the machine.
    #[serde(rename = "file.read.system")]
    FileReadSystem,
    /// Read another process's files under /proc.
    #[serde(rename = "file.read.process")]
    FileReadProcess,
    /// Wrote outside the project and the temporary folders.
    #[serde(rename = "file.write.home")]
    FileWriteHome,
    /// Wrote temporary files.
    #[serde(rename = "file.write.temp")]
    FileWriteTemp,
    /// Wrote into the project it is installed in.
    #[serde(rename = "file.write.project")]
    FileWriteProject,
    /// Wrote into another package's files.
    #[serde(rename = "file.write.foreign-package")]
    FileWriteForeignPackage,
    /// Wrote system files.
    #[serde(rename = "file.write.system")]
    FileWriteSystem,
    /// Made a file executable.
    #[serde(rename = "file.make-executable")]
    FileMakeExecutable,
    /// Deleted files that it had not made.
    #[serde(rename = "file.delete")]
    FileDelete,
    /// Deleted its own tracks.
    #[serde(rename = "file.delete.self")]
    FileDeleteSelf,
    /// Walked through many folders.
    #[serde(rename = "file.enumerate")]
    FileEnumerate,
    /// Arranged to be started again.
    #[serde(rename = "persist.autostart")]
    PersistAutostart,
    /// Arranged to be started by a shell's start-up file.
    #[serde(rename = "persist.shell-profile")]
    PersistShellProfile,
    /// Arranged to be started by every interpreter.
    #[serde(rename = "persist.interpreter")]
    PersistInterpreter,
    /// Asked what machine it is on.
    #[serde(rename = "system.fingerprint")]
    SystemFingerprint,
    /// Looked for a sandbox or a debugger.
    #[serde(rename = "system.evasion")]
    SystemEvasion,
    /// Changed memory to be executable.
    #[serde(rename = "memory.executable")]
    MemoryExecutable,
    /// Tried what the sandbox refuses (kernel interfaces, 32-bit calls, io_uring).
    #[serde(rename = "kernel.restricted-call")]
    KernelRestrictedCall,
    /// Used up a resource.
    #[serde(rename = "resource.exhaust")]
    ResourceExhaust,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A normalised, unordered, de-duplicated statement drawn from events.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Fact {
    /// Where it happened.
    pub phase: Phase,
    /// Whose act it was.
    pub owner: Owner,
    /// What was done: `file.read`, `exec`, `connect`, …
    pub action: String,
    /// To what, with run-specific parts replaced (`<project>`, `<home>`, `<tmp>`, `<port>`, `<random>`).
    pub object: Hostile,
    /// `ok`, `failed` or `unknown`.
    pub outcome: String,
}

/// Why a run saw less than it should have. Closed list; the strings are stable.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum IncompleteCode {
    /// A phase or the whole run ran into its time limit.
    Timeout,
    /// One module, program or function ran into its own time limit.
    EntryTimeout,
    /// The process tree ran into its memory limit.
    MemoryLimit,
    /// The process tree ran into its process limit.
    ProcessLimit,
    /// The writable layer was full, bytes or files.
    DiskLimit,
    /// More output than is kept.
    OutputLimit,
    /// More events than are kept.
    EventLimit,
    /// More traffic than is kept.
    FlowLimit,
    /// More or larger dropped files than are kept.
    DroppedLimit,
    /// Events were lost.
    EventsLost,
    /// Install failed.
    InstallFailed,
    /// A hook of the manifest should have run and did not.
    HookNotRun,
    /// A phase did not take place.
    PhaseSkipped,
    /// The harness ended before it had gone through its list.
    HarnessIncomplete,
    /// Part of the archive could not be read.
    ArchiveUnread,
    /// Source code could not be read, or not wholly.
    CodeUnread,
    /// A registry did not answer or answered wrongly.
    Registry,
    /// The sandbox failed.
    Sandbox,
}

/// One reason why a run is incomplete.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Incomplete {
    /// Which.
    pub code: IncompleteCode,
    /// Where, if in a phase.
    pub phase: Option<Phase>,
    /// In words.
    pub detail: Hostile,
}

/// Something odd about a file or an archive, found without running it.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Anomaly {
    /// Stable name: `path-traversal`, `duplicate-entry`, …
    pub kind: String,
    /// Entry or file concerned.
    pub path: Hostile,
    /// In words.
    pub detail: Hostile,
}

/// The judgement.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum VerdictLabel {
    /// Complete, and nothing found.
    Clean,
    /// Nothing found, but not everything was seen.
    Incomplete,
    /// Unusual enough to be looked at.
    Suspicious,
    /// Harmful.
    Malicious,
}

impl fmt::Display for VerdictLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The judgement with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// In a word.
    pub label: VerdictLabel,
    /// 0 (nothing) to 100 (proven harm).
    pub score: u8,
    /// In one sentence, made from facts.
    pub summary: String,
    /// Why not everything was seen; empty when it was.
    pub incomplete: Vec<Incomplete>,
}
