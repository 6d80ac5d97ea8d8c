//! Reading a package file without running it: no sandbox, no registry, no store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use apa_ecosystems::Identity;
use apa_inspect::{Coverage, Inspection};
use apa_judge::Judgement;
use apa_model::{Artifact, Incomplete, IncompleteCode, Phase, Verdict};
use sha2::{Digest as _, Sha256};

use crate::EngineError;

/// What reading a file told.
#[derive(Debug)]
pub struct Reading {
    /// The file.
    pub artifact: Artifact,
    /// Name and version as its manifest has them, as far as it does.
    pub package: String,
    /// The judgement.
    pub verdict: Verdict,
    /// What rules found, gravest first.
    pub findings: Vec<apa_model::Finding>,
    /// How much of its code was read.
    pub coverage: Coverage,
    /// Processor time it took.
    pub cpu: Duration,
}

/// Reads and judges the package file at `path`.
///
/// # Errors
/// When it cannot be read or is no package.
pub fn read_only(path: &Path) -> Result<Reading, EngineError> {
    let started = apa_inspect::thread_cpu();
    let not_a_package = |detail: String| EngineError::NotAPackage {
        path: path.to_owned(),
        detail,
    };
    let archive = apa_archive::read(path, &apa_archive::Limits::default())?;
    let bytes = std::fs::read(path).map_err(|error| not_a_package(error.to_string()))?;
    let filename = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let filename = filename.unwrap_or_default();
    let identity = apa_ecosystems::adapters()
        .iter()
        .find_map(|adapter| adapter.identify(&filename, &archive))
        .ok_or_else(|| not_a_package("it is an archive of no known ecosystem".into()))?;
    let artifact = Artifact {
        sha256: hex(&Sha256::digest(&bytes)),
        size: bytes.len() as u64,
        filename: filename.as_str().into(),
        kind: identity.kind,
    };
    let inspection = inspect(&archive, &artifact)?;
    let mut incomplete = inspection.incomplete;
    if !archive.complete {
        incomplete.push(Incomplete {
            code: IncompleteCode::ArchiveUnread,
            phase: Some(Phase::Static),
            detail: "part of the archive could not be read".into(),
        });
    }
    let package = named(&identity, &filename);
    let judgement = Judgement::of_findings(inspection.findings);
    let verdict = apa_judge::verdict(&package, std::slice::from_ref(&judgement), &incomplete);
    Ok(Reading {
        artifact,
        package,
        verdict,
        findings: judgement.findings,
        coverage: inspection.coverage,
        cpu: apa_inspect::thread_cpu().saturating_sub(started) + inspection.cpu,
    })
}

pub(crate) fn inspect(
    archive: &apa_archive::Archive,
    artifact: &Artifact,
) -> Result<Inspection, EngineError> {
    apa_inspect::inspect(archive, artifact.kind, &artifact.sha256).map_err(|error| {
        EngineError::Internal {
            doing: "reading the package's code",
            detail: error.to_string(),
        }
    })
}

fn named(identity: &Identity, filename: &str) -> String {
    let name = identity.name.as_deref().unwrap_or(filename);
    let name = apa_model::Hostile::from(name);
    match &identity.version {
        Some(version) => format!("{name}@{}", apa_model::Hostile::from(version.as_str())),
        None => name.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Package files below `folder`, sorted; at most `most`.
///
/// # Errors
/// When the folder cannot be listed.
pub fn package_files(folder: &Path, most: usize) -> std::io::Result<Vec<PathBuf>> {
    const ENDINGS: &[&str] = &[".tgz", ".tar.gz", ".whl", ".zip"];
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name().to_string_lossy().to_lowercase();
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                found.push(entry.path());
            }
            if found.len() > most {
                break;
            }
        }
    }
    found.sort();
    found.truncate(most);
    Ok(found)
}
