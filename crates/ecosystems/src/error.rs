use apa_gateway::GatewayError;
use apa_model::{Ecosystem, Hostile, PackageRef};
use thiserror::Error;

/// Why an ecosystem could not answer.
#[derive(Debug, Error)]
pub enum EcosystemError {
    /// The genuine client is not there or failed.
    #[error(
        "cannot ask {client} which registry it uses: {why}; install it, or name a registry in apa.toml"
    )]
    Client {
        /// `npm`, `pip`.
        client: &'static str,
        /// What went wrong.
        why: String,
    },
    /// There is no adapter for it.
    #[error("{0} packages cannot be analysed by this program; use another version of it")]
    Unsupported(Ecosystem),
    /// A registry address is no http(s) URL.
    #[error("\"{0}\" is not a registry address: it must start with http:// or https://")]
    RegistryAddress(Hostile),
    /// The registry does not know the name.
    #[error("{package} is unknown to its registry; check the spelling of \"{}\"", .package.name)]
    UnknownPackage {
        /// As asked for.
        package: PackageRef,
    },
    /// The package has no such version.
    #[error("{package} does not exist; {hint}")]
    UnknownVersion {
        /// As asked for.
        package: PackageRef,
        /// Versions there are.
        hint: Hostile,
    },
    /// The version has nothing that could be installed here.
    #[error("{package} has no file that can be installed here: {why}; {next}")]
    NoFiles {
        /// With the version.
        package: PackageRef,
        /// What there is instead.
        why: Hostile,
        /// What to do.
        next: &'static str,
    },
    /// The registry's metadata cannot be understood.
    #[error(
        "the registry's answer about {package} cannot be read: {why}; try again, or ask another registry"
    )]
    Metadata {
        /// As asked for.
        package: PackageRef,
        /// Where it goes wrong.
        why: Hostile,
    },
    /// A file is not the one that the registry describes.
    #[error("{name}: {why}; do not use it, and tell the repository's keepers")]
    Integrity {
        /// Which file.
        name: Hostile,
        /// What does not fit.
        why: &'static str,
    },
    /// A key that the user gave is none.
    #[error("{0}")]
    Key(String),
    /// The registry did not answer.
    #[error("{package}: {source}")]
    Registry {
        /// As asked for.
        package: PackageRef,
        /// What the gateway met.
        source: Box<GatewayError>,
    },
}

impl EcosystemError {
    /// Whether the registry answered, and there is nothing to analyse.
    pub fn is_nothing_to_analyse(&self) -> bool {
        match self {
            Self::Unsupported(_)
            | Self::UnknownPackage { .. }
            | Self::UnknownVersion { .. }
            | Self::NoFiles { .. } => true,
            Self::Registry { source, .. } => source.is_not_found(),
            Self::Client { .. }
            | Self::RegistryAddress(_)
            | Self::Metadata { .. }
            | Self::Integrity { .. }
            | Self::Key(_) => false,
        }
    }

    /// Whether the user's own configuration is at fault.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::RegistryAddress(_) | Self::Key(_))
    }

    /// What the gateway met while `package` was asked for.
    pub(crate) fn from_gateway(package: &PackageRef, source: GatewayError) -> Self {
        let package = package.clone();
        match source {
            GatewayError::NotFound { .. } => Self::UnknownPackage { package },
            source => Self::Registry {
                package,
                source: Box::new(source),
            },
        }
    }
}
