//! What an empty package of the same shape does here: the package manager's, the interpreter's and the harness's own
//! noise. Measured once per set-up and kept.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use apa_ecosystems::{Adapter, Empty};
use apa_judge::Baseline;
use apa_model::{Artifact, ArtifactKind, BlobSink, NetworkMode, Profile};
use sha2::{Digest as _, Sha256};

use crate::detonate::{Means, Subject, blocking};
use crate::progress::Progress;
use crate::{Engine, EngineError};

impl Engine {
    /// The kept baseline, or a new one.
    pub(crate) async fn baseline(
        &self,
        means: &Means,
        adapter: &'static dyn Adapter,
        kind: ArtifactKind,
        profile: &Profile,
    ) -> Result<Arc<Baseline>, EngineError> {
        let key = key(adapter, kind, profile, means);
        // One at a time: analyses that start together need the same one.
        let _measuring = self.measuring.lock().await;
        if let Some(kept) = self.store().baseline(&key)
            && let Ok(baseline) = serde_json::from_slice(&kept)
        {
            return Ok(Arc::new(baseline));
        }
        (means.observer)(Progress::Baseline(adapter.ecosystem().to_string()));
        let baseline = self.measure(means, adapter, kind, profile).await?;
        let bytes = serde_json::to_vec(&baseline).map_err(|error| EngineError::Internal {
            doing: "keeping the baseline",
            detail: error.to_string(),
        })?;
        self.store().keep_baseline(&key, &bytes)?;
        Ok(Arc::new(baseline))
    }

    async fn measure(
        &self,
        means: &Means,
        adapter: &'static dyn Adapter,
        kind: ArtifactKind,
        profile: &Profile,
    ) -> Result<Baseline, EngineError> {
        let Empty { filename, bytes } = adapter.empty_like(kind);
        let (sha256, size) = self
            .store()
            .blobs()
            .put(&mut bytes.as_slice())
            .map_err(|error| EngineError::Internal {
                doing: "keeping the empty package",
                detail: error.to_string(),
            })?;
        let path = self
            .store()
            .blobs()
            .path(&sha256)
            .ok_or(EngineError::Internal {
                doing: "keeping the empty package",
                detail: "its copy is gone".into(),
            })?;
        let read = path.clone();
        let archive = blocking("reading the empty package", move || {
            apa_archive::read(&read, &apa_archive::Limits::default())
        })
        .await??;
        let identity = adapter
            .identify(filename, &archive)
            .ok_or(EngineError::Internal {
                doing: "reading the empty package",
                detail: "it was not recognised".into(),
            })?;
        let artifact = Artifact {
            sha256,
            size,
            filename: filename.into(),
            kind,
        };
        let subject = Subject {
            adapter,
            artifact: &artifact,
            path: &path,
            archive: &archive,
            identity: &identity,
            anomalies: Vec::new(),
            published: false,
        };
        let quiet = Means {
            observer: Arc::new(|_| ()),
            ..means.clone()
        };
        // An empty package talks to nobody, in any network.
        let profile = Profile {
            network: NetworkMode::default(),
            ..profile.clone()
        };
        let detonation = quiet.detonate(&subject, &profile).await?;
        Ok(apa_judge::facts(&detonation.observation)
            .into_iter()
            .collect())
    }
}

/// Changes with everything a baseline depends on: this program, the tools, the image, the shape of the package,
/// the persona.
fn key(adapter: &dyn Adapter, kind: ArtifactKind, profile: &Profile, means: &Means) -> String {
    let mut stamp = stamp(adapter, means.answers.as_deref());
    stamp.update(means.image.name());
    let digest = hex(stamp, 8);
    format!("{}-{}-{digest}", kind.as_str(), profile.persona)
}

/// Changes with this program and with the tools that an ecosystem's packages are run by; `answers` is the folder of
/// what clients said.
pub(crate) fn stamp(adapter: &dyn Adapter, answers: Option<&Path>) -> Sha256 {
    let mut hash = Sha256::new();
    let this = std::env::current_exe().ok();
    let views = adapter.views(answers).into_iter();
    let views = views.flat_map(|(folder, _)| [folder.join("bin"), folder]);
    let tools = adapter.tools().iter().map(Into::into);
    for path in tools.chain(views).chain(this) {
        let stamp = fs::metadata(&path).ok().map(|metadata| {
            let modified = metadata
                .modified()
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            (metadata.len(), modified.map(|time| time.as_nanos()))
        });
        hash.update(format!("{}{stamp:?}", path.display()));
    }
    hash
}

/// The first bytes of a hash in hexadecimal.
pub(crate) fn hex(hash: Sha256, bytes: usize) -> String {
    let digest = hash.finalize();
    digest
        .iter()
        .take(bytes)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
