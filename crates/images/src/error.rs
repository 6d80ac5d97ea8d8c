use std::io;
use std::path::PathBuf;

use apa_archive::ArchiveError;
use apa_gateway::GatewayError;
use apa_model::Hostile;
use thiserror::Error;

/// Why there is no such image.
#[derive(Debug, Error)]
pub enum ImageError {
    /// The text names none.
    #[error(
        "\"{0}\" is no image: write host, debian, wolfi, dir:PATH, oci:PATH or oci:REGISTRY/NAME:TAG"
    )]
    Syntax(Hostile),
    /// It was not built or pulled yet.
    #[error("there is no image {0} yet; make it with `apa image {1}`")]
    Missing(String, &'static str),
    /// A folder that is no root file system.
    #[error("{} holds no root file system ({why}); give the folder that has usr or bin in it", path.display())]
    NoRoot {
        /// Which folder.
        path: PathBuf,
        /// What is missing.
        why: &'static str,
    },
    /// An OCI image that does not fit together.
    #[error("{name}: {why}; pull or export the image again")]
    Oci {
        /// Which image or blob.
        name: Hostile,
        /// What does not fit.
        why: String,
    },
    /// What a layer or package holds cannot be put into a root.
    #[error("cannot read a layer: {0}")]
    Archive(#[from] ArchiveError),
    /// The registry does not give it.
    #[error(transparent)]
    Registry(#[from] GatewayError),
    /// A program that is needed failed.
    #[error("{program} failed: {why}; {next}")]
    Tool {
        /// `apt-get`.
        program: &'static str,
        /// What it said.
        why: String,
        /// What to do.
        next: &'static str,
    },
    /// The file system refused something.
    #[error("{doing} {}: {source}; check permissions and free space", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// More than an image may hold.
    #[error("the image holds more than {0}; it cannot be used")]
    TooLarge(&'static str),
}

impl ImageError {
    /// Whether the user's own words are at fault.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Syntax(_) | Self::Missing(..) | Self::NoRoot { .. }
        )
    }

    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn oci(name: &str, why: impl Into<String>) -> Self {
        Self::Oci {
            name: name.into(),
            why: why.into(),
        }
    }
}
