use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use reqwest::Url;
use tokio::task::spawn_blocking;

use crate::cache::Cache;
use crate::error::GatewayError;
use crate::integrity::{Integrity, Verifier};
use crate::npm::Packument;
use crate::pypi::Project;
use crate::sync::lock;
use crate::upstream;

mod prepared;
mod records;

use prepared::Prepared;
pub(crate) use records::Form;
use records::below;

/// Age up to which recorded metadata of what is analysed is used without asking the registry.
pub(crate) const FRESH: Duration = Duration::from_secs(60);
/// The same for the dependencies of what is analysed: asking for each of hundreds would cost more than the install.
pub(crate) const FRESH_DEPENDENCY: Duration = Duration::from_secs(600);

/// Where the gateway keeps and finds things.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Folder of the cache; made if it is missing. Several processes may share it.
    pub cache_dir: PathBuf,
    /// The registries.
    pub upstream: Upstream,
    /// Serve from the cache only; ask no registry.
    pub offline: bool,
    /// How long a registry may be silent. A whole download may take ten times as long.
    pub timeout: Duration,
}

/// Addresses of the registries, as the user's clients are set to use them.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// Root of an npm registry.
    pub npm: Option<Url>,
    /// Root of a PyPI simple index (usually ends in `/simple/`).
    pub pypi: Option<Url>,
}

/// Fetches from registries, checks, records and replays.
pub struct Gateway {
    config: GatewayConfig,
    cache: Arc<Cache>,
    upstream: upstream::Upstream,
    /// Serialises work on one record or artifact, so that it is fetched once.
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    packuments: Prepared<Packument>,
    projects: Prepared<Project>,
    /// Artifacts of the cache whose digest this process has checked.
    checked: Mutex<HashSet<String>>,
}

impl Gateway {
    /// Opens the cache. Asks no registry yet.
    ///
    /// # Errors
    /// When the cache folder cannot be made.
    pub fn open(config: GatewayConfig) -> Result<Arc<Self>, GatewayError> {
        Ok(Arc::new(Self {
            cache: Arc::new(Cache::open(config.cache_dir.clone())?),
            upstream: upstream::Upstream::new(config.timeout),
            config,
            under_way: Mutex::default(),
            packuments: Prepared::default(),
            projects: Prepared::default(),
            checked: Mutex::default(),
        }))
    }

    /// The npm packument of `name`, as the registry gave it; at most 60 s old.
    ///
    /// # Errors
    /// [`GatewayError::NotFound`] when the registry has no such package; others when it cannot be asked or
    /// answers nonsense.
    pub async fn npm_packument(&self, name: &str) -> Result<Bytes, GatewayError> {
        let record = self.npm_record(name, Form::Full, FRESH).await?;
        Ok(record.body)
    }

    /// The project page of `name` in the JSON form of the simple API; at most 60 s old. Addresses in it may be
    /// relative to the page, which [`Gateway::pypi_page`] gives.
    ///
    /// # Errors
    /// As [`Gateway::npm_packument`].
    pub async fn pypi_project(&self, name: &str) -> Result<Bytes, GatewayError> {
        let record = self.pypi_record(name, FRESH).await?;
        Ok(record.body)
    }

    /// Address of the project page of `name`.
    ///
    /// # Errors
    /// When no PyPI registry is configured, or the name is none.
    pub fn pypi_page(&self, name: &str) -> Result<Url, GatewayError> {
        let package = PackageRef::new(Ecosystem::Pypi, name, None)?;
        below(
            &self.config.upstream.pypi,
            Ecosystem::Pypi,
            &format!("{}/", package.name),
        )
    }

    /// A file of a registry: its path in the cache, where it stays. It is checked before it can be seen there.
    ///
    /// # Errors
    /// [`GatewayError::Integrity`] when the bytes are not those expected; others when they cannot be had.
    pub async fn artifact(&self, url: &str, expect: &Integrity) -> Result<PathBuf, GatewayError> {
        let parsed = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let parsed = parsed.ok_or_else(|| GatewayError::Url(url.into()))?;
        let _turn = self.turn(format!("{expect} {url}")).await;
        if let Some(path) = self.cached_artifact(url, expect).await {
            return Ok(path);
        }
        let name = upstream::file_name(&parsed);
        if self.config.offline {
            return Err(GatewayError::OfflineMiss(name.into()));
        }
        let temporary = self.cache.temporary();
        let sha256 = self
            .upstream
            .artifact(&parsed, expect, temporary.path())
            .await?;
        let path = self.cache.adopt(temporary, &sha256, url, expect)?;
        lock(&self.checked).insert(sha256);
        Ok(path)
    }

    /// The artifact from the cache, if its bytes are still what they were.
    async fn cached_artifact(&self, url: &str, expect: &Integrity) -> Option<PathBuf> {
        let sha256 = self.cache.known_sha256(url, expect)?;
        let path = self.cache.artifact_path(&sha256);
        if lock(&self.checked).contains(&sha256) && path.exists() {
            return Some(path);
        }
        let (file, stated) = (path.clone(), Integrity::from_hex("sha256", &sha256)?);
        let good = spawn_blocking(move || is_intact(&file, &stated))
            .await
            .ok()?;
        if !good {
            // Missing, or damaged on disk: fetched again.
            return None;
        }
        lock(&self.checked).insert(sha256);
        Some(path)
    }

    pub(crate) async fn packument(
        &self,
        name: &str,
        form: Form,
        age: Duration,
    ) -> Result<Arc<Packument>, GatewayError> {
        let body = self.npm_record(name, form, age).await?.body;
        let key = format!("{form:?} {name}");
        if let Some(ready) = self.packuments.get(&key, &body) {
            return Ok(ready);
        }
        let owned = name.to_owned();
        let parsed = spawn_blocking({
            let body = body.clone();
            move || Packument::parse(&owned, body)
        });
        let wanted = self.npm_wanted(name, form)?;
        let packument = Arc::new(wanted.usable(parsed.await)?);
        self.packuments.put(key, body, &packument);
        Ok(packument)
    }

    pub(crate) async fn project(
        &self,
        name: &str,
        age: Duration,
    ) -> Result<Arc<Project>, GatewayError> {
        let body = self.pypi_record(name, age).await?.body;
        if let Some(ready) = self.projects.get(name, &body) {
            return Ok(ready);
        }
        let page = self.pypi_page(name)?;
        let parsed = spawn_blocking({
            let body = body.clone();
            move || Project::parse(&page, body)
        });
        let wanted = self.pypi_wanted(name)?;
        let project = Arc::new(wanted.usable(parsed.await)?);
        self.projects.put(name.to_owned(), body, &project);
        Ok(project)
    }

    /// The recorded packument of `name`, however old; asks no registry.
    pub(crate) async fn recorded_packument(&self, name: &str) -> Option<Arc<Packument>> {
        for form in [Form::Full, Form::Abbreviated] {
            let wanted = self.npm_wanted(name, form).ok()?;
            if let Some(record) = self.recorded(&wanted).await
                && record.about.found
            {
                let owned = name.to_owned();
                let parsed = spawn_blocking(move || Packument::parse(&owned, record.body));
                return parsed.await.ok()?.ok().map(Arc::new);
            }
        }
        None
    }

    /// Waits until nobody else works on `key`.
    async fn turn(&self, key: String) -> tokio::sync::OwnedMutexGuard<()> {
        let mutex = {
            let mut under_way = lock(&self.under_way);
            // Those that nobody holds or waits for are forgotten.
            under_way.retain(|_, mutex| Arc::strong_count(mutex) > 1);
            Arc::clone(under_way.entry(key).or_default())
        };
        mutex.lock_owned().await
    }
}

/// Whether a file of the cache still has the bytes it is named after.
fn is_intact(path: &Path, expect: &Integrity) -> bool {
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let mut verifier = Verifier::new(expect);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return verifier.finish(expect).is_ok(),
            Ok(n) => verifier.update(&buffer[..n]),
            Err(_) => return false,
        }
    }
}
