use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_model::Ecosystem;
use jiff::Timestamp;
use reqwest::Url;
use tokio::task::spawn_blocking;

use crate::cache::Cache;
use crate::error::GatewayError;
use crate::integrity::{Integrity, Verifier};
use crate::sync::lock;
use crate::upstream;

mod records;

pub use records::{Document, Until};

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
    /// Show the registries as they were then: nothing published later.
    pub as_of: Option<Timestamp>,
    /// How long a registry may be silent. A whole download may take ten times as long.
    pub timeout: Duration,
}

/// Addresses of the registries' roots, as the user's clients are set to use them.
pub type Upstream = BTreeMap<Ecosystem, Url>;

/// Fetches from registries, checks, records and replays.
pub struct Gateway {
    config: GatewayConfig,
    cache: Arc<Cache>,
    upstream: upstream::Upstream,
    /// Serialises work on one record or artifact, so that it is fetched once.
    under_way: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
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
            checked: Mutex::default(),
        }))
    }

    /// The time that registries are shown as of, if not now.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.config.as_of
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
