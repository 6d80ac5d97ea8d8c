//! A file that somebody has: what it is, unwrapped where it comes in a wrapper.

use std::path::{Path, PathBuf};

use apa_archive::{Archive, EntryKind, Format};
use apa_ecosystems::{Adapter, Identity};
use apa_model::{ArtifactKind, BlobSink as _, Ecosystem};

use crate::detonate::blocking;
use crate::prepare::read;
use crate::{Engine, EngineError, Request};

/// Most wrappers around a sample.
const WRAPPERS: usize = 3;

/// A file that can be detonated.
pub(crate) struct Upload {
    pub(crate) adapter: &'static dyn Adapter,
    pub(crate) identity: Identity,
    pub(crate) filename: String,
    pub(crate) path: PathBuf,
    pub(crate) archive: Archive,
}

impl Engine {
    /// Tells what the file at `path` is.
    pub(crate) async fn open_upload(
        &self,
        path: &Path,
        request: &Request,
    ) -> Result<Upload, EngineError> {
        let mut filename = name_of(path);
        let mut current = path.to_owned();
        for _ in 0..=WRAPPERS {
            if let Some(inner) = self.unseal(&current, request).await? {
                (filename, current) = inner;
                continue;
            }
            let archive = read(current.clone())
                .await
                .map_err(|error| name_again(error, path))?;
            if let Some((adapter, identity)) =
                apa_ecosystems::identify(&filename, &archive, request.ecosystem)
            {
                check_runnable(path, adapter, &archive, &identity)?;
                return Ok(Upload {
                    adapter,
                    identity,
                    filename,
                    path: current,
                    archive,
                });
            }
            match only_file(&archive) {
                Some((name, bytes)) => {
                    current = self.put(bytes)?;
                    filename = name;
                }
                None => return Err(unknown(path, &archive, request.ecosystem)),
            }
        }
        Err(EngineError::NotAPackage {
            path: path.to_owned(),
            detail: "it is an archive in an archive in an archive; give the innermost".into(),
        })
    }

    /// What is in an encrypted zip archive, kept as a file of its own.
    async fn unseal(
        &self,
        path: &Path,
        request: &Request,
    ) -> Result<Option<(String, PathBuf)>, EngineError> {
        let sealed = path.to_owned();
        let passwords = request.passwords.clone();
        let opened = blocking("opening the archive", move || {
            apa_archive::unseal(&sealed, &passwords, &apa_archive::Limits::default())
        });
        match opened.await?? {
            Some(inner) => Ok(Some((inner.name, self.put(&inner.bytes)?))),
            None => Ok(None),
        }
    }

    fn put(&self, mut bytes: &[u8]) -> Result<PathBuf, EngineError> {
        let failed = |detail: String| EngineError::Internal {
            doing: "keeping the sample",
            detail,
        };
        let blobs = self.store().blobs();
        let (sha256, _) = blobs
            .put(&mut bytes)
            .map_err(|error| failed(error.to_string()))?;
        blobs
            .path(&sha256)
            .ok_or_else(|| failed("its copy is gone".into()))
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// An error about a copy of ours says nothing to the user, who gave `path`.
fn name_again(error: EngineError, path: &Path) -> EngineError {
    match error {
        EngineError::NotAPackage { detail, .. } => EngineError::NotAPackage {
            path: path.to_owned(),
            detail,
        },
        EngineError::Archive(apa_archive::ArchiveError::NotAnArchive { found, .. }) => {
            let path = path.to_string_lossy().as_ref().into();
            EngineError::Archive(apa_archive::ArchiveError::NotAnArchive { path, found })
        }
        error => error,
    }
}

/// A program that nothing here can run would only be incomplete, whatever is in it.
fn check_runnable(
    path: &Path,
    adapter: &dyn Adapter,
    archive: &Archive,
    identity: &Identity,
) -> Result<(), EngineError> {
    if identity.kind != ArtifactKind::Program {
        return Ok(());
    }
    let facts = adapter.static_facts(archive, identity);
    match facts.into_iter().find(|fact| fact.kind == "cannot-run") {
        Some(fact) => Err(EngineError::NotAPackage {
            path: path.to_owned(),
            detail: format!("unsupported here: {}", fact.detail),
        }),
        None => Ok(()),
    }
}

/// The file of an archive that only wraps one.
fn only_file(archive: &Archive) -> Option<(String, &[u8])> {
    if archive.format == Format::Program {
        return None;
    }
    let mut files = archive
        .entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::Directory);
    let (only, None) = (files.next()?, files.next()) else {
        return None;
    };
    let name = only.safe_path.as_deref()?.rsplit('/').next()?;
    (only.kind == EntryKind::File && only.kept).then(|| (name.to_owned(), &*only.bytes))
}

fn unknown(path: &Path, archive: &Archive, wanted: Option<Ecosystem>) -> EngineError {
    let has = |end: &str| {
        let mut names = archive
            .entries
            .iter()
            .filter_map(|entry| entry.safe_path.as_deref());
        names.any(|name| name.ends_with(end))
    };
    let detail = match wanted {
        Some(ecosystem) => format!("it is no {ecosystem} package; leave out --ecosystem to have it recognised"),
        None if has(".nuspec") => "it is a NuGet package, which is not supported".to_owned(),
        None if has("EGG-INFO/PKG-INFO") => {
            "it is a Python egg, which pip does not install any more; give a wheel or a source distribution".to_owned()
        }
        None => "it is an archive, but no package of a supported ecosystem: it has no package.json, METADATA, PKG-INFO, \
                 pyproject.toml, setup.py or the like"
            .to_owned(),
    };
    EngineError::NotAPackage {
        path: path.to_owned(),
        detail,
    }
}
