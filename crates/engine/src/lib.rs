//! The pipeline: a target is resolved, fetched, read, detonated, judged and reported. [`Engine::analyze`] reads
//! like the picture in ARCHITECTURE.md.

mod assemble;
mod baseline;
mod blame;
mod checklist;
mod code;
mod detonate;
mod dropped;
mod error;
mod gaps;
mod image;
mod prepare;
mod printed;
mod progress;
mod registry;
mod reuse;
mod statics;
mod steps;
mod target;
mod upload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apa_ecosystems::RegistryOverrides;
use apa_gateway::{Gateway, GatewayConfig, Upstream};
use apa_model::report::Report;
use apa_model::{Ecosystem, Profile, VerdictLabel};
use apa_sandbox::Backend;
use apa_store::{Run, Store};
use futures::future::join_all;

pub use error::EngineError;
pub use progress::{Observer, Progress};
pub use statics::{Reading, package_files, read_only};
pub use target::Target;

use crate::assemble::Judged;
use crate::detonate::{Means, Subject, blocking};
use crate::prepare::{Prepared, Subjects};

/// Where things are and which registries to use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Analyses, blobs and baselines.
    pub data_dir: PathBuf,
    /// What the registries gave.
    pub cache_dir: PathBuf,
    /// Registries that replace those of the genuine clients' configuration.
    pub registries: RegistryOverrides,
    /// Folder of further public keys that packages may be signed with.
    pub keys: Option<PathBuf>,
}

/// Which artifacts of a release are detonated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// The one the genuine client would choose, and the source distribution where that is another
    /// ([`apa_ecosystems::Release::to_analyse`]).
    #[default]
    All,
    /// Only the one the genuine client would choose.
    Chosen,
}

/// One analysis to make.
#[derive(Clone, Debug)]
pub struct Request {
    /// Of what.
    pub target: Target,
    /// With what.
    pub profile: Profile,
    /// Which artifacts.
    pub selection: Selection,
    /// The mildest verdict that makes the exit code 1.
    pub fail_on: VerdictLabel,
    /// What a file is taken for; `None`: what its content says.
    pub ecosystem: Option<Ecosystem>,
    /// Tried on a file that is encrypted.
    pub passwords: Vec<String>,
    /// Take over what an earlier analysis of the same files by this very program found, if it is not older than this.
    pub reuse: Option<Duration>,
}

/// A finished analysis.
#[derive(Debug)]
pub struct Analysis {
    /// What was found.
    pub report: Report,
    /// Its folder.
    pub run: Run,
    /// It was made earlier, and is kept already.
    pub reused: bool,
    key: String,
}

/// Makes analyses; may be used by several tasks at once.
pub struct Engine {
    config: Config,
    store: Store,
    backend: Arc<dyn Backend>,
    /// Held while a baseline is measured.
    measuring: tokio::sync::Mutex<()>,
}

impl Engine {
    /// Opens the data folder and removes what a killed predecessor left behind.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(config: Config) -> Result<Self, EngineError> {
        for removed in apa_sandbox::clean_up_leftovers() {
            tracing::info!("removed what an earlier run left behind: {removed}");
        }
        let store = Store::open(&config.data_dir)?;
        Ok(Self {
            config,
            store,
            backend: apa_sandbox::default_backend(),
            measuring: tokio::sync::Mutex::new(()),
        })
    }

    /// The kept analyses.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Makes one analysis. Its report is kept in the data folder.
    ///
    /// # Errors
    /// When there is nothing to detonate or no means to do it; what goes wrong in a detonation is in the report.
    pub async fn analyze(
        &self,
        request: &Request,
        observer: Observer,
    ) -> Result<Analysis, EngineError> {
        let started = Instant::now();
        let started_at = jiff::Timestamp::now();
        let Subjects {
            release,
            prepared,
            gateway,
            image,
        } = self.prepare(request, &observer).await?;
        let answers = self.config.registries.cache_dir.clone();
        let key = reuse::key(&prepared, request, answers.as_deref(), &image);
        if let Some(analysis) = self.earlier(&key, request) {
            return Ok(analysis);
        }
        let means = Means {
            backend: self.backend.clone(),
            gateway,
            blobs: self.store.blobs().clone(),
            image,
            keys: self.config.keys.clone(),
            observer,
            answers,
        };
        let run = self.store.begin()?;
        let judged = join_all(
            prepared
                .iter()
                .map(|artifact| self.judge(&means, artifact, &request.profile)),
        )
        .await;
        let judged = match judged.into_iter().collect::<Result<Vec<Judged>, _>>() {
            Ok(judged) => judged,
            Err(error) => {
                run.discard();
                return Err(error);
            }
        };
        for (artifact, judged) in prepared.iter().zip(&judged) {
            let sha256 = &artifact.artifact.sha256;
            run.write_events(sha256, &judged.events)?;
            let name = format!("traffic-{}.pcapng", &sha256[..12.min(sha256.len())]);
            run.write(&name, &judged.traffic)?;
        }
        let report = assemble::report(assemble::Parts {
            id: run.id(),
            started_at,
            wall: started.elapsed(),
            release,
            judged,
            fail_on: request.fail_on,
            as_of: request.profile.as_of.clone(),
        });
        Ok(Analysis {
            report,
            run,
            reused: false,
            key,
        })
    }

    async fn judge(
        &self,
        means: &Means,
        artifact: &Prepared,
        profile: &Profile,
    ) -> Result<Judged, EngineError> {
        let baseline = self
            .baseline(means, artifact.adapter, artifact.artifact.kind, profile)
            .await?;
        (means.observer)(Progress::Artifact(artifact.artifact.filename.clone()));
        let subject = Subject {
            adapter: artifact.adapter,
            artifact: &artifact.artifact,
            path: &artifact.path,
            archive: &artifact.archive,
            identity: &artifact.identity,
            anomalies: artifact.anomalies.clone(),
            published: artifact.published,
        };
        let (archive, read) = (artifact.archive.clone(), artifact.artifact.clone());
        let inspection = blocking("reading the package's code", move || {
            statics::inspect(&archive, &read)
        });
        let (inspection, detonation) = tokio::join!(inspection, means.detonate(&subject, profile));
        let (inspection, detonation) = (inspection??, detonation?);
        blocking("judging", move || {
            Judged::new(detonation, &baseline, inspection)
        })
        .await
    }

    /// The registry that the ecosystem's own client is set to use; none where there is no ecosystem, or where that is
    /// not `required` and no client says.
    async fn upstream(
        &self,
        ecosystem: Ecosystem,
        required: bool,
    ) -> Result<Upstream, EngineError> {
        if ecosystem == Ecosystem::Generic {
            return Ok(Upstream::new());
        }
        let overrides = self.config.registries.clone();
        let adapter = apa_ecosystems::adapter(ecosystem)?;
        let registry = blocking("asking the package manager for its registry", move || {
            adapter.registry(&overrides)
        });
        match registry.await? {
            Ok(registry) => {
                let registry = registry.parse().map_err(|_| {
                    apa_ecosystems::EcosystemError::RegistryAddress(registry.as_str().into())
                })?;
                Ok([(ecosystem, registry)].into())
            }
            Err(apa_ecosystems::EcosystemError::Client { .. }) if !required => Ok(Upstream::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// A gateway to that registry.
    async fn gateway(
        &self,
        ecosystem: Ecosystem,
        profile: &Profile,
        required: bool,
    ) -> Result<Arc<Gateway>, EngineError> {
        let upstream = self.upstream(ecosystem, required).await?;
        let as_of = profile.as_of.as_deref().map(str::parse).transpose();
        let as_of = as_of.map_err(|error: jiff::Error| EngineError::Internal {
            doing: "reading the time to show registries as of",
            detail: error.to_string(),
        })?;
        Ok(Gateway::open(GatewayConfig {
            cache_dir: self.config.cache_dir.clone(),
            upstream,
            offline: profile.offline,
            as_of,
            timeout: Duration::from_secs(60),
        })?)
    }
}
