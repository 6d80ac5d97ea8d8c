use std::path::PathBuf;

use apa_model::{ExitCode, Hostile, PackageRefError};

/// Why there is no report. Outcomes of a detonation are never errors: they are in the report.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The target is neither a file nor a package.
    #[error(transparent)]
    Target(#[from] PackageRefError),
    /// A file that is no package.
    #[error("{}: {detail}", Hostile::from(path.to_string_lossy().as_ref()))]
    NotAPackage {
        /// Which file.
        path: PathBuf,
        /// Why not, and what to do.
        detail: String,
    },
    /// Reading the archive failed.
    #[error(transparent)]
    Archive(#[from] apa_archive::ArchiveError),
    /// The ecosystem's adapter found nothing to analyse, or its tools are missing.
    #[error(transparent)]
    Ecosystem(#[from] apa_ecosystems::EcosystemError),
    /// The registry or the cache failed.
    #[error(transparent)]
    Gateway(#[from] apa_gateway::GatewayError),
    /// The image is not there or cannot be made.
    #[error(transparent)]
    Image(#[from] apa_images::ImageError),
    /// There is no sandbox to run in.
    #[error(transparent)]
    Sandbox(#[from] apa_sandbox::SandboxError),
    /// The simulated network did not start.
    #[error(transparent)]
    Netsim(#[from] apa_netsim::NetsimError),
    /// The rules of the simulated services cannot be used.
    #[error("cannot use the rules of the simulated services")]
    Rules(#[from] apa_netsim::RulesError),
    /// The data folder failed.
    #[error(transparent)]
    Store(#[from] apa_store::StoreError),
    /// A part of this program ended without an answer.
    #[error(
        "internal failure while {doing}: {detail}; please report it with the command that led here"
    )]
    Internal {
        /// What was going on.
        doing: &'static str,
        /// What is known.
        detail: String,
    },
}

impl EngineError {
    /// What the process ends with for it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Target(PackageRefError::Unsupported(_)) => ExitCode::Unsupported,
            Self::Target(_) => ExitCode::Usage,
            Self::NotAPackage { .. } | Self::Archive(_) => ExitCode::Unsupported,
            Self::Ecosystem(error) if error.is_nothing_to_analyse() => ExitCode::Unsupported,
            Self::Ecosystem(error) if error.is_configuration() => ExitCode::Usage,
            Self::Image(error) if error.is_usage() => ExitCode::Usage,
            Self::Gateway(error) if error.is_not_found() => ExitCode::Unsupported,
            Self::Sandbox(error) if error.is_refusal() => ExitCode::Refused,
            Self::Ecosystem(_)
            | Self::Gateway(_)
            | Self::Image(_)
            | Self::Sandbox(_)
            | Self::Netsim(_)
            | Self::Rules(_)
            | Self::Store(_)
            | Self::Internal { .. } => ExitCode::Incomplete,
        }
    }
}
