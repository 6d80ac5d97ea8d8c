use apa_gateway::Integrity;
use apa_model::{Anomaly, ArtifactKind, PackageRef};

use crate::EcosystemError;

/// A published version with its files. What the registry does not say is `None`: unknown, not absent.
#[derive(Clone, Debug)]
pub struct Release {
    /// With the exact version.
    pub package: PackageRef,
    /// Its files, in the registry's order; never empty.
    pub files: Vec<ReleaseFile>,
    /// Index into `files`: what the genuine client would take.
    pub chosen: usize,
    /// When it was published, as the registry writes it (ISO 8601).
    pub published_at: Option<String>,
    /// The version published before it.
    pub previous_version: Option<String>,
    /// What is odd about the metadata.
    pub anomalies: Vec<Anomaly>,
}

/// A file of a release.
#[derive(Clone, Debug)]
pub struct ReleaseFile {
    /// Name as published.
    pub filename: String,
    /// Where it is.
    pub url: String,
    /// What its bytes must hash to.
    pub integrity: Integrity,
    /// Bytes, if the registry says so.
    pub size: Option<u64>,
    /// What it is.
    pub kind: ArtifactKind,
    /// Whether it can be installed here.
    pub compatible: bool,
}

impl Release {
    /// Indices of the files that an analysis looks at unless told otherwise: the chosen one first, then the
    /// source distribution. Beside a wheel with native code it is left out: its build takes compilers and
    /// many minutes, and no client would run it here.
    pub fn to_analyse(&self) -> Vec<usize> {
        let mut wanted = vec![self.chosen];
        let native = |file: &ReleaseFile| {
            file.kind == ArtifactKind::Wheel && !file.filename.ends_with("-any.whl")
        };
        if !self.files.get(self.chosen).is_some_and(native) {
            let source = self
                .files
                .iter()
                .position(|file| file.kind == ArtifactKind::Sdist && file.compatible);
            wanted.extend(source.filter(|at| *at != self.chosen));
        }
        wanted
    }
}

/// An address as the gateway wants it: http(s), without surrounding blanks.
pub(crate) fn check_address(address: String) -> Result<String, EcosystemError> {
    let address = address.trim();
    let lower = address.to_ascii_lowercase();
    if lower.starts_with("https://") || lower.starts_with("http://") {
        Ok(address.to_owned())
    } else {
        Err(EcosystemError::RegistryAddress(address.into()))
    }
}
