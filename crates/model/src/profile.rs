use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stage of an analysis. The order is the order they happen in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The artifact and its metadata are fetched; nothing runs.
    Fetch,
    /// The artifact is read; nothing runs.
    Static,
    /// The package manager installs it.
    Install,
    /// A bare interpreter starts where the package is installed.
    InterpreterStart,
    /// The package manager is started again: what is installed may add itself to it.
    GemCommand,
    /// Every module is imported.
    Import,
    /// Command-line programs run, exported functions are called.
    Execute,
    /// It is removed again.
    Uninstall,
    /// What stayed behind is watched.
    Linger,
}

impl Phase {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Static => "static",
            Self::Install => "install",
            Self::InterpreterStart => "interpreter-start",
            Self::GemCommand => "gem-command",
            Self::Import => "import",
            Self::Execute => "execute",
            Self::Uninstall => "uninstall",
            Self::Linger => "linger",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The machine the sample believes it is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Persona {
    /// A developer's laptop.
    #[default]
    Developer,
    /// A continuous-integration runner.
    Ci,
}

impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Developer => "developer",
            Self::Ci => "ci",
        })
    }
}

/// How the simulated network behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// Every service answers as the real one would.
    #[default]
    #[serde(alias = "simulated")]
    Realistic,
    /// Everything is accepted and nothing is said.
    Sinkhole,
    /// No name exists.
    Nxdomain,
    /// Names resolve and connections are reset.
    DeadC2,
    /// As realistic, after long waits.
    Slow,
    /// As INetSim answers.
    CompatInetsim,
    /// As FakeNet-NG answers.
    CompatFakenet,
}

impl NetworkMode {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Realistic,
        Self::Sinkhole,
        Self::Nxdomain,
        Self::DeadC2,
        Self::Slow,
        Self::CompatInetsim,
        Self::CompatFakenet,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Realistic => "realistic",
            Self::Sinkhole => "sinkhole",
            Self::Nxdomain => "nxdomain",
            Self::DeadC2 => "dead-c2",
            Self::Slow => "slow",
            Self::CompatInetsim => "compat-inetsim",
            Self::CompatFakenet => "compat-fakenet",
        }
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Bounds of one detonation. Hitting one is a reported outcome, never an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Memory of the whole process tree, bytes.
    pub memory_bytes: u64,
    /// Processes and threads alive at once.
    pub pids: u64,
    /// Processor time allowed per second of wall time, percent of one core.
    pub cpu_percent: u32,
    /// Bytes the writable layer may hold.
    pub disk_bytes: u64,
    /// Files and folders the writable layer may hold.
    pub inodes: u64,
    /// Bytes of standard output and error kept per command.
    pub output_bytes: u64,
    /// Events kept per detonation; past it only security events and counts.
    pub events: u64,
    /// Wall-clock bound of the install phase, milliseconds.
    pub install_ms: u64,
    /// Wall-clock bound of the import phase, milliseconds.
    pub import_ms: u64,
    /// Wall-clock bound of the execute phase, milliseconds.
    pub execute_ms: u64,
    /// Wall-clock bound of one module, program or function, milliseconds.
    pub entry_ms: u64,
    /// How long processes that stayed behind are watched, milliseconds.
    pub linger_ms: u64,
    /// Wall-clock bound of all phases together, milliseconds.
    pub total_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 2 << 30,
            pids: 512,
            cpu_percent: 200,
            disk_bytes: 2 << 30,
            inodes: 400_000,
            output_bytes: 1 << 20,
            events: 2_000_000,
            install_ms: 300_000,
            import_ms: 60_000,
            execute_ms: 120_000,
            entry_ms: 10_000,
            linger_ms: 20_000,
            total_ms: 600_000,
        }
    }
}

impl Limits {
    /// The wall-clock bound of one phase.
    pub fn phase(&self, phase: Phase) -> Duration {
        Duration::from_millis(match phase {
            Phase::Fetch | Phase::Static => 60_000,
            Phase::Install => self.install_ms,
            Phase::InterpreterStart | Phase::Uninstall => self.entry_ms,
            // A second installation is among them.
            Phase::GemCommand => self.install_ms / 2,
            Phase::Import => self.import_ms,
            Phase::Execute => self.execute_ms,
            Phase::Linger => self.linger_ms,
        })
    }
}

/// What to run a package with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// The machine it believes it is on.
    pub persona: Persona,
    /// What answers its traffic.
    pub network: NetworkMode,
    /// The root file system it runs in, as a user names it; `None`: the ecosystem's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Its bounds.
    pub limits: Limits,
    /// Record every system call with arguments and return value (slower).
    pub all_syscalls: bool,
    /// Serve registries only from what earlier runs recorded.
    pub offline: bool,
    /// Show registries as they were at this time (RFC 3339, UTC).
    pub as_of: Option<String>,
}
