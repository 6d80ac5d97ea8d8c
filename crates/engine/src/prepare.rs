//! From a target to artifacts that can be detonated: nothing of the package runs here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apa_archive::Archive;
use apa_ecosystems::{Adapter, Identity, Release, ReleaseFile};
use apa_gateway::Gateway;
use apa_model::{Anomaly, Artifact, BlobSink as _, Ecosystem, Hostile, PackageRef, Profile};
use apa_sandbox::Image;

use crate::detonate::blocking;
use crate::progress::{Observer, Progress};
use crate::{Engine, EngineError, Request, Selection, Target};

/// Anomalies of the archive kept; more are only counted.
const MAX_ANOMALIES: usize = 500;

/// What is analysed, as far as is known before anything runs.
#[derive(Clone, Debug)]
pub(crate) struct ReleaseInfo {
    pub(crate) ecosystem: Ecosystem,
    pub(crate) name: Hostile,
    pub(crate) version: Option<Hostile>,
    pub(crate) purl: String,
    pub(crate) published_at: Option<Hostile>,
    pub(crate) previous_version: Option<Hostile>,
    /// Files of the release that are not run, in words.
    pub(crate) left_out: Option<String>,
}

/// An artifact that is ready to be detonated.
pub(crate) struct Prepared {
    pub(crate) adapter: &'static dyn Adapter,
    pub(crate) artifact: Artifact,
    pub(crate) path: PathBuf,
    pub(crate) archive: Archive,
    pub(crate) identity: Identity,
    pub(crate) anomalies: Vec<Anomaly>,
    /// It came from the registry, whose metadata counts.
    pub(crate) published: bool,
}

/// All artifacts of a target; the first is the one the genuine client would choose.
pub(crate) struct Subjects {
    pub(crate) release: ReleaseInfo,
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) image: Image,
}

impl Engine {
    pub(crate) async fn prepare(
        &self,
        request: &Request,
        observer: &Observer,
    ) -> Result<Subjects, EngineError> {
        match &request.target {
            Target::Package(package) => self.prepare_package(package, request, observer).await,
            Target::File(path) => self.prepare_file(path, &request.profile).await,
        }
    }

    async fn prepare_package(
        &self,
        package: &PackageRef,
        request: &Request,
        observer: &Observer,
    ) -> Result<Subjects, EngineError> {
        observer(Progress::Resolving(package.to_string()));
        let adapter = apa_ecosystems::adapter(package.ecosystem)?;
        let gateway = self
            .gateway(package.ecosystem, &request.profile, true)
            .await?;
        let release = adapter.resolve(&gateway, package).await?;
        let selected = selected(&release, request.selection);
        let left_out = left_out(&release, &selected);
        let image = self.image(adapter, &gateway, &request.profile).await?;
        let mut prepared = Vec::new();
        for file in selected {
            let path = gateway.artifact(&file.url, &file.integrity).await?;
            let mut ready = self.prepare_artifact(adapter, file, &path).await?;
            // The registry's word: a manifest that says otherwise is an anomaly, not another package.
            ready.identity.name = Some(release.package.name.clone());
            ready.identity.version = release.package.version.clone();
            ready.anomalies.extend(release.anomalies.iter().cloned());
            ready.published = true;
            prepared.push(ready);
        }
        let release = ReleaseInfo {
            ecosystem: package.ecosystem,
            name: release.package.name.as_str().into(),
            version: release.package.version.as_deref().map(Hostile::from),
            purl: release.package.purl(),
            published_at: release.published_at.as_deref().map(Hostile::from),
            previous_version: release.previous_version.as_deref().map(Hostile::from),
            left_out,
        };
        Ok(Subjects {
            release,
            prepared,
            gateway,
            image,
        })
    }

    async fn prepare_file(&self, path: &Path, profile: &Profile) -> Result<Subjects, EngineError> {
        let filename = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let archive = read(path.to_owned()).await?;
        let Some((adapter, identity)) = apa_ecosystems::adapters().iter().find_map(|adapter| {
            adapter
                .identify(&filename, &archive)
                .map(|identity| (*adapter, identity))
        }) else {
            return Err(EngineError::NotAPackage {
                path: path.to_owned(),
                detail: "it is an archive, but neither an npm package (package.json) nor a Python wheel or source \
                         distribution (METADATA, PKG-INFO, pyproject.toml, setup.py) nor a Ruby gem (metadata.gz, \
                         data.tar.gz) nor a Composer package (composer.json) nor a crate (Cargo.toml) nor a Java \
                         archive (class files)"
                    .into(),
            });
        };
        let required = adapter.needs_registry();
        let gateway = self.gateway(adapter.ecosystem(), profile, required).await?;
        let ready = self.ready(adapter, &filename, path, archive, identity)?;
        let image = self.image(adapter, &gateway, profile).await?;
        let release = local_release(adapter.ecosystem(), &ready.identity, &ready.artifact);
        Ok(Subjects {
            release,
            prepared: vec![ready],
            gateway,
            image,
        })
    }

    async fn prepare_artifact(
        &self,
        adapter: &'static dyn Adapter,
        file: &ReleaseFile,
        path: &Path,
    ) -> Result<Prepared, EngineError> {
        let archive = read(path.to_owned()).await?;
        let identity = adapter.identify(&file.filename, &archive);
        let identity = identity.unwrap_or(Identity {
            name: None,
            version: None,
            kind: file.kind,
        });
        self.ready(adapter, &file.filename, path, archive, identity)
    }

    /// Keeps the artifact: what is detonated is a copy named by its hash, since the file may change meanwhile.
    fn ready(
        &self,
        adapter: &'static dyn Adapter,
        filename: &str,
        path: &Path,
        archive: Archive,
        identity: Identity,
    ) -> Result<Prepared, EngineError> {
        let (sha256, size, path) = self.keep(path)?;
        let artifact = Artifact {
            sha256,
            size,
            filename: filename.into(),
            kind: identity.kind,
        };
        let anomalies = anomalies(adapter, &archive, &identity);
        Ok(Prepared {
            adapter,
            artifact,
            path,
            archive,
            identity,
            anomalies,
            published: false,
        })
    }

    fn keep(&self, path: &Path) -> Result<(String, u64, PathBuf), EngineError> {
        let unreadable = |error: std::io::Error| EngineError::NotAPackage {
            path: path.to_owned(),
            detail: format!("cannot be read: {error}"),
        };
        let mut file = fs::File::open(path).map_err(unreadable)?;
        let (sha256, size) = self.store().blobs().put(&mut file).map_err(unreadable)?;
        let kept = self
            .store()
            .blobs()
            .path(&sha256)
            .ok_or_else(|| EngineError::Internal {
                doing: "keeping the file",
                detail: "its copy is gone".into(),
            })?;
        Ok((sha256, size, kept))
    }
}

fn selected(release: &Release, selection: Selection) -> Vec<&ReleaseFile> {
    let wanted = match selection {
        Selection::All => release.to_analyse(),
        Selection::Chosen => vec![release.chosen],
    };
    wanted
        .into_iter()
        .filter_map(|at| release.files.get(at))
        .collect()
}

/// Names the files that someone else's client might take and that are not run.
fn left_out(release: &Release, selected: &[&ReleaseFile]) -> Option<String> {
    const NAMED: usize = 3;
    let names: Vec<_> = release
        .files
        .iter()
        .filter(|file| !selected.iter().any(|one| std::ptr::eq(*one, *file)))
        .map(|file| Hostile::from(file.filename.as_str()).to_string())
        .collect();
    let more = match names.len().checked_sub(NAMED) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    let named = names[..names.len().min(NAMED)].join(", ");
    (!names.is_empty()).then(|| {
        format!("other files of this release, which other machines may install: {named}{more}")
    })
}

async fn read(path: PathBuf) -> Result<Archive, EngineError> {
    let shown = path.clone();
    let archive = blocking("reading the archive", move || {
        apa_archive::read(&path, &apa_archive::Limits::default())
    })
    .await??;
    match archive
        .anomalies
        .iter()
        .find(|anomaly| anomaly.kind == "truncated-archive")
    {
        Some(_) => Err(EngineError::NotAPackage {
            path: shown,
            detail: "the archive is cut short; fetch it again".into(),
        }),
        None => Ok(archive),
    }
}

fn anomalies(adapter: &dyn Adapter, archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
    let mut anomalies = archive.anomalies.clone();
    anomalies.extend(adapter.static_facts(archive, identity));
    let more = anomalies.len().saturating_sub(MAX_ANOMALIES);
    anomalies.truncate(MAX_ANOMALIES);
    if more > 0 {
        anomalies.push(Anomaly {
            kind: "more-anomalies".into(),
            path: Hostile::default(),
            detail: format!("{more} more are not listed").into(),
        });
    }
    anomalies
}

fn local_release(ecosystem: Ecosystem, identity: &Identity, artifact: &Artifact) -> ReleaseInfo {
    let name = identity.name.clone().unwrap_or_default();
    let package = PackageRef::new(ecosystem, &name, identity.version.as_deref()).ok();
    ReleaseInfo {
        ecosystem,
        name: if name.is_empty() {
            artifact.filename.clone()
        } else {
            name.into()
        },
        version: identity.version.as_deref().map(Hostile::from),
        purl: package.map_or_else(
            || {
                format!(
                    "pkg:{ecosystem}/unknown?checksum=sha256:{}",
                    artifact.sha256
                )
            },
            |package| package.purl(),
        ),
        published_at: None,
        previous_version: None,
        left_out: None,
    }
}
