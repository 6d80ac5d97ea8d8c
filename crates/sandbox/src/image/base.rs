use std::path::{Path, PathBuf};

/// What the root file system of a sandbox is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Image {
    /// The host's own `/usr`, with everything else invented.
    #[default]
    Host,
    /// A folder of the host that holds a root file system; nothing is written to it, so that many runs may use it at
    /// once.
    Folder {
        /// Where it is.
        root: PathBuf,
        /// What it is called in reports, its digest included.
        name: String,
    },
}

impl Image {
    /// The folder that is shown.
    pub fn root(&self) -> &Path {
        match self {
            Self::Host => Path::new("/"),
            Self::Folder { root, .. } => root,
        }
    }

    /// What it is called in reports.
    pub fn name(&self) -> &str {
        match self {
            Self::Host => "host (reduced fidelity)",
            Self::Folder { name, .. } => name,
        }
    }

    /// Whether it is the machine that `apa` runs on, of which not everything may be shown.
    pub(crate) fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }
}
