use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Hostile;

/// What a bait looks like.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CanaryKind {
    /// `~/.ssh/id_rsa` or another private key.
    SshKey,
    /// Token in `~/.npmrc`.
    NpmToken,
    /// Token in `~/.pypirc`.
    PypiToken,
    /// Keys in `~/.aws/credentials`.
    AwsFile,
    /// Keys in the environment.
    AwsEnvironment,
    /// A project's `.env`.
    DotEnv,
    /// A browser's saved logins.
    BrowserLogins,
    /// A cryptocurrency wallet.
    Wallet,
    /// `~/.kube/config`.
    KubeConfig,
    /// `~/.git-credentials`.
    GitCredentials,
    /// A token in the environment (CI, code host).
    EnvironmentToken,
    /// The machine's own name: no secret, but seeing it leave shows a beacon.
    HostName,
    /// A credential that a simulated service handed out (a cloud's metadata service, an API that keeps secrets).
    Served,
}

/// A bait planted for one run. Its secret is unique, so that seeing it again proves where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Canary {
    /// Unique within the run: `ssh-key-1`.
    pub id: String,
    /// What it looks like.
    pub kind: CanaryKind,
    /// Absolute path in the sandbox, `env:NAME`, or `served:HOST/PATH` where a simulated service hands it out.
    pub planted_at: String,
    /// The distinctive secret strings inside it (each at least 16 bytes), any of which proves theft.
    pub secrets: Vec<String>,
}

/// A canary's secret found in bytes that left, or in an argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CanaryHit {
    /// [`Canary::id`].
    pub canary: String,
    /// Decoders applied from the outside in: `["http.body", "json", "base64"]`.
    pub layers: Vec<String>,
    /// A few decoded bytes around the hit, at most 120.
    pub excerpt: Hostile,
}
