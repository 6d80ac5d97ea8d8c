use std::io;
use std::path::PathBuf;

use apa_model::{Ecosystem, Hostile, PackageRefError};
use thiserror::Error;

/// Why the gateway cannot give what was asked for. Registries are named only as the user configured them.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The registry answered that there is no such package.
    #[error("{ecosystem}:{name} does not exist in the registry at {registry}; check the spelling")]
    NotFound {
        /// Where it was looked for.
        ecosystem: Ecosystem,
        /// The name.
        name: Hostile,
        /// Host (and port) of the configured registry.
        registry: String,
    },
    /// The registry did not answer.
    #[error(
        "cannot reach the registry at {registry}: {reason}; check the network and the registry set in apa.toml, or use --offline to work from the cache"
    )]
    Unreachable {
        /// Host (and port) that was asked.
        registry: String,
        /// Why.
        reason: String,
    },
    /// The registry refused or failed.
    #[error(
        "the registry at {registry} answered {status} for {what}; try again later, or check that it needs no credentials"
    )]
    Status {
        /// Host (and port) that was asked.
        registry: String,
        /// HTTP status.
        status: u16,
        /// What was asked for.
        what: Hostile,
    },
    /// The answer makes no sense.
    #[error(
        "the registry at {registry} gave unusable metadata for {what}: {reason}; check the registry set in apa.toml"
    )]
    Metadata {
        /// Host (and port) that was asked.
        registry: String,
        /// What was asked for.
        what: Hostile,
        /// What is wrong.
        reason: String,
    },
    /// The bytes are not those that the registry's metadata promises; they were thrown away.
    #[error(
        "{what} does not have the digest its registry states: expected {expected}, got {got}; do not install it, and try again later"
    )]
    Integrity {
        /// Which file.
        what: Hostile,
        /// The stated digest.
        expected: String,
        /// The digest of what came.
        got: String,
    },
    /// Not recorded, and asking is not allowed.
    #[error("{0} is not in the cache; run once without --offline to record it")]
    OfflineMiss(Hostile),
    /// More bytes than are taken; the rest was not read.
    #[error("{what} is larger than the limit of {limit} bytes; it cannot be analysed")]
    TooLarge {
        /// What was asked for.
        what: Hostile,
        /// The limit, bytes.
        limit: u64,
    },
    /// No registry is configured.
    #[error("no {0} registry is configured; set one in the client's configuration or in apa.toml")]
    NoRegistry(Ecosystem),
    /// Times of publication are not in the metadata.
    #[error(
        "the registry of {0} does not say when versions were published, so it cannot be shown as of a time; leave out --as-of"
    )]
    NoTimes(Ecosystem),
    /// Its registries' protocol is not spoken here.
    #[error(
        "the registry protocol of {0} is not spoken by this program; use another version of it"
    )]
    NoProtocol(Ecosystem),
    /// The URL cannot be fetched.
    #[error("{0} is no http or https address; the registry's metadata is unusable")]
    Url(Hostile),
    /// The name is not one of the ecosystem.
    #[error(transparent)]
    Name(#[from] PackageRefError),
    /// The cache cannot be read or written.
    #[error("cannot use the cache {path}: {source}; check the folder's permissions and free space")]
    Cache {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The network client cannot be set up.
    #[error("cannot set up the network client: {0}; check SSL_CERT_FILE and the proxy variables")]
    Client(String),
    /// The socket cannot be served.
    #[error("cannot serve the sandbox: {0}")]
    Listen(io::Error),
}

impl GatewayError {
    /// Whether no registry is set at all.
    pub fn is_unconfigured(&self) -> bool {
        matches!(self, Self::NoRegistry(_))
    }

    /// Whether there is nothing of that name, or nothing that may be named so.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Name(_))
    }
}
