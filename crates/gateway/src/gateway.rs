use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use reqwest::Url;
use tokio::task::spawn_blocking;

use crate::cache::{About, Cache, Record, now};
use crate::error::GatewayError;
use crate::integrity::{Integrity, Verifier, sha256};
use crate::npm::{self, Packument};
use crate::pypi::{self, Project};
use crate::upstream::{self, Answer, Validators};

/// Age up to which recorded metadata of what is analysed is used without asking the registry.
pub(crate) const FRESH: Duration = Duration::from_secs(60);
/// The same for the dependencies of what is analysed: asking for each of hundreds would cost more than the install.
pub(crate) const FRESH_DEPENDENCY: Duration = Duration::from_secs(600);
/// Most metadata kept in memory, bytes.
const PREPARED_BYTES: usize = 256 << 20;

const ACCEPT_FULL: &str = "application/json";
const ACCEPT_ABBREVIATED: &str =
    "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";
const ACCEPT_SIMPLE: &str = "application/vnd.pypi.simple.v1+json, \
     application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.1";

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
    packuments: Mutex<Prepared<Packument>>,
    projects: Mutex<Prepared<Project>>,
    /// Artifacts of the cache whose digest this process has checked.
    checked: Mutex<HashSet<String>>,
}

/// Parsed metadata by name, with the record it was made from.
struct Prepared<T> {
    by_name: HashMap<String, (Bytes, Arc<T>)>,
    bytes: usize,
}

impl<T> Default for Prepared<T> {
    fn default() -> Self {
        Self {
            by_name: HashMap::new(),
            bytes: 0,
        }
    }
}

/// Which form of a packument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Full,
    Abbreviated,
}

/// One kind of metadata of one name.
struct Wanted {
    ecosystem: Ecosystem,
    /// Normalised.
    name: String,
    /// Folder of the record.
    folder: String,
    url: Url,
    accept: &'static str,
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
            packuments: Mutex::default(),
            projects: Mutex::default(),
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
        let path = match self.upstream.artifact(&parsed, expect, &temporary).await {
            Ok(sha256) => {
                let path = self.cache.adopt(&temporary, &sha256, url, expect)?;
                lock(&self.checked).insert(sha256);
                path
            }
            Err(error) => {
                // Nothing unverified stays; a file that was never made needs no removing.
                let _ = std::fs::remove_file(&temporary);
                return Err(error);
            }
        };
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
        if let Some(ready) = prepared(&self.packuments, &key, &body) {
            return Ok(ready);
        }
        let owned = name.to_owned();
        let parsed = spawn_blocking({
            let body = body.clone();
            move || Packument::parse(&owned, body)
        });
        let wanted = self.npm_wanted(name, form)?;
        let packument = Arc::new(wanted.usable(parsed.await)?);
        keep(&self.packuments, key, body, &packument);
        Ok(packument)
    }

    pub(crate) async fn project(
        &self,
        name: &str,
        age: Duration,
    ) -> Result<Arc<Project>, GatewayError> {
        let body = self.pypi_record(name, age).await?.body;
        if let Some(ready) = prepared(&self.projects, name, &body) {
            return Ok(ready);
        }
        let page = self.pypi_page(name)?;
        let parsed = spawn_blocking({
            let body = body.clone();
            move || Project::parse(&page, body)
        });
        let wanted = self.pypi_wanted(name)?;
        let project = Arc::new(wanted.usable(parsed.await)?);
        keep(&self.projects, name.to_owned(), body, &project);
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

    async fn npm_record(
        &self,
        name: &str,
        form: Form,
        age: Duration,
    ) -> Result<Record, GatewayError> {
        self.record(&self.npm_wanted(name, form)?, age).await
    }

    fn npm_wanted(&self, name: &str, form: Form) -> Result<Wanted, GatewayError> {
        let package = PackageRef::new(Ecosystem::Npm, name, None)?;
        let root = &self.config.upstream.npm;
        let (kind, accept) = match form {
            Form::Full => ("npm", ACCEPT_FULL),
            Form::Abbreviated => ("npm-abbreviated", ACCEPT_ABBREVIATED),
        };
        Ok(Wanted {
            ecosystem: Ecosystem::Npm,
            url: below(root, Ecosystem::Npm, &npm::encoded(&package.name))?,
            name: package.name,
            folder: folder(kind, root),
            accept,
        })
    }

    async fn pypi_record(&self, name: &str, age: Duration) -> Result<Record, GatewayError> {
        self.record(&self.pypi_wanted(name)?, age).await
    }

    fn pypi_wanted(&self, name: &str) -> Result<Wanted, GatewayError> {
        Ok(Wanted {
            ecosystem: Ecosystem::Pypi,
            name: PackageRef::new(Ecosystem::Pypi, name, None)?.name,
            folder: folder("pypi", &self.config.upstream.pypi),
            url: self.pypi_page(name)?,
            accept: ACCEPT_SIMPLE,
        })
    }

    /// The record of what is wanted, brought up to date if it is older than `age`.
    async fn record(&self, wanted: &Wanted, age: Duration) -> Result<Record, GatewayError> {
        let _turn = self
            .turn(format!("{} {}", wanted.folder, wanted.name))
            .await;
        let recorded = self.recorded(wanted).await;
        let record = match recorded {
            Some(record) if self.config.offline || record.about.is_fresh(age) => record,
            None if self.config.offline => {
                let what = format!("{}:{}", wanted.ecosystem, wanted.name);
                return Err(GatewayError::OfflineMiss(what.into()));
            }
            recorded => self.update(wanted, recorded).await?,
        };
        if record.about.found {
            Ok(record)
        } else {
            Err(GatewayError::NotFound {
                ecosystem: wanted.ecosystem,
                name: wanted.name.as_str().into(),
                registry: upstream::registry(&wanted.url),
            })
        }
    }

    async fn recorded(&self, wanted: &Wanted) -> Option<Record> {
        let (cache, folder, name) = (
            Arc::clone(&self.cache),
            wanted.folder.clone(),
            wanted.name.clone(),
        );
        spawn_blocking(move || cache.record(&folder, &name))
            .await
            .ok()?
    }

    /// Asks the registry and records its answer.
    async fn update(&self, wanted: &Wanted, old: Option<Record>) -> Result<Record, GatewayError> {
        let validators = old
            .as_ref()
            .map_or_else(Validators::default, |old| Validators {
                etag: old.about.etag.clone(),
                last_modified: old.about.last_modified.clone(),
            });
        let answer = self
            .upstream
            .metadata(&wanted.url, wanted.accept, &validators)
            .await?;
        let record = match (answer, old) {
            (
                Answer::Found {
                    body,
                    etag,
                    last_modified,
                    html,
                },
                _,
            ) => Record {
                about: About {
                    found: true,
                    etag,
                    last_modified,
                    confirmed: now(),
                },
                body: wanted.checked(body, html)?,
            },
            (Answer::NotModified, Some(old)) => Record {
                about: About {
                    confirmed: now(),
                    ..old.about
                },
                body: old.body,
            },
            (Answer::NotModified, None) => return Err(wanted.nonsense("not modified since never")),
            (Answer::NotFound, _) => Record {
                about: About {
                    found: false,
                    etag: None,
                    last_modified: None,
                    confirmed: now(),
                },
                body: Bytes::new(),
            },
        };
        self.cache
            .put_record(&wanted.folder, &wanted.name, &record)?;
        Ok(record)
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

impl Wanted {
    fn nonsense(&self, reason: &str) -> GatewayError {
        GatewayError::Metadata {
            registry: upstream::registry(&self.url),
            what: format!("{}:{}", self.ecosystem, self.name).into(),
            reason: reason.into(),
        }
    }

    /// The parsed document, or what is wrong with it.
    fn usable<T>(
        &self,
        parsed: Result<Result<T, String>, tokio::task::JoinError>,
    ) -> Result<T, GatewayError> {
        match parsed {
            Ok(Ok(document)) => Ok(document),
            Ok(Err(reason)) => Err(self.nonsense(&reason)),
            Err(_) => Err(self.nonsense("reading it was cut short")),
        }
    }

    /// The body in the form that is recorded: JSON, or nothing is.
    fn checked(&self, body: Bytes, html: bool) -> Result<Bytes, GatewayError> {
        let body = match (self.ecosystem, html) {
            (Ecosystem::Pypi, true) => pypi::to_json(&String::from_utf8_lossy(&body), &self.url),
            _ => body,
        };
        match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
            Ok(_) => Ok(body),
            Err(error) => Err(self.nonsense(&error.to_string())),
        }
    }
}

/// Folder of the records of one registry: another registry's package of the same name is another package.
fn folder(kind: &str, root: &Option<Url>) -> String {
    let root = root.as_ref().map_or("", Url::as_str);
    format!("{kind}-{}", &sha256(root.as_bytes())[..16])
}

/// `path` below the root of a registry.
fn below(root: &Option<Url>, ecosystem: Ecosystem, path: &str) -> Result<Url, GatewayError> {
    let mut root = root.clone().ok_or(GatewayError::NoRegistry(ecosystem))?;
    if !root.path().ends_with('/') {
        root.set_path(&format!("{}/", root.path()));
    }
    root.join(path)
        .map_err(|_| GatewayError::Url(root.as_str().into()))
}

fn is_intact(path: &std::path::Path, expect: &Integrity) -> bool {
    use std::io::Read as _;
    let Ok(mut file) = std::fs::File::open(path) else {
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

fn prepared<T>(map: &Mutex<Prepared<T>>, key: &str, body: &Bytes) -> Option<Arc<T>> {
    let map = lock(map);
    let (made_from, ready) = map.by_name.get(key)?;
    (made_from == body).then(|| Arc::clone(ready))
}

fn keep<T>(map: &Mutex<Prepared<T>>, key: String, body: Bytes, ready: &Arc<T>) {
    let mut map = lock(map);
    if map.bytes + body.len() > PREPARED_BYTES {
        *map = Prepared::default();
    }
    map.bytes += body.len();
    map.by_name.insert(key, (body, Arc::clone(ready)));
}

/// What a thread that panicked left behind is still consistent: every change here is one insertion.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
