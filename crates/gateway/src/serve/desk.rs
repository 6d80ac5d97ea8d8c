//! What every protocol needs to answer one sandbox: which names may be asked for, how many bytes are left.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::ServePolicy;
use super::answer::Answer;
use crate::closure::{Allowed, Closure};
use crate::gateway::{FRESH, FRESH_DEPENDENCY, Gateway};
use crate::integrity::Integrity;
use crate::protocol::Protocol;
use crate::sync::lock;

/// What one sandbox may ask for, and what it was given.
pub(crate) struct Desk {
    gateway: Arc<Gateway>,
    base: String,
    roots: Vec<String>,
    closure: Mutex<Closure>,
    file_bytes: u64,
    /// Bytes of files sent so far.
    sent: AtomicU64,
    /// Dependencies of the roots are known before anything was served.
    seeded: OnceCell<()>,
}

impl Desk {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        policy: &ServePolicy,
        builders: &[&str],
        base: String,
    ) -> Self {
        Self {
            gateway,
            base,
            roots: policy.normal(&policy.roots).collect(),
            closure: Mutex::new(Closure::new(policy.names(builders), policy.name_budget)),
            file_bytes: policy.file_bytes,
            sent: AtomicU64::new(0),
            seeded: OnceCell::new(),
        }
    }

    /// Must have been called before a name is asked about.
    pub(super) async fn seed(&self, protocol: &dyn Protocol) {
        self.seeded.get_or_init(|| protocol.seed(self)).await;
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// `http://127.0.0.1:PORT`, as the sandbox sees it.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Names of what is analysed and what its manifest depends on, as the closure has them.
    pub(crate) fn roots(&self) -> &[String] {
        &self.roots
    }

    /// Whether `name` may be asked for.
    pub(crate) async fn allows(&self, name: &str) -> Allowed {
        lock(&self.closure).allows(name)
    }

    /// Takes in names that served metadata depends on.
    pub(crate) fn grow<'a>(&self, names: impl IntoIterator<Item = &'a String>) {
        lock(&self.closure).grow(names);
    }

    /// How old the metadata of `name` may be.
    pub(crate) fn age(&self, name: &str) -> Duration {
        if self.roots.iter().any(|root| root == name) {
            FRESH
        } else {
            FRESH_DEPENDENCY
        }
    }

    /// The file at `url`, in the cache.
    ///
    /// # Errors
    /// The answer to give instead.
    pub(crate) async fn fetch(&self, url: &str, expect: &Integrity) -> Result<PathBuf, Answer> {
        // Asking for the same file over and over costs the sample less than the analysis.
        if self.sent.load(Ordering::Relaxed) >= self.file_bytes {
            return Err(Answer::refused(
                "more bytes of files than any install needs",
            ));
        }
        let fetched = self.gateway.artifact(url, expect).await;
        fetched.map_err(|error| Answer::failed(&error))
    }

    /// A file that was fetched.
    pub(crate) async fn send(&self, path: &Path) -> Answer {
        let answer = Answer::file(path).await;
        self.sent.fetch_add(answer.length, Ordering::Relaxed);
        answer
    }

    /// Fetches a file and sends it.
    pub(crate) async fn file(&self, url: &str, expect: &Integrity) -> Answer {
        match self.fetch(url, expect).await {
            Ok(path) => self.send(&path).await,
            Err(answer) => answer,
        }
    }
}
