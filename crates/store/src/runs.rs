use std::fs;
use std::path::{Path, PathBuf};

use apa_model::Event;
use apa_model::report::Report;

use crate::{DirBlobs, StoreError, io, write_whole};

/// The folder of all analyses.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    blobs: DirBlobs,
}

impl Store {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        for folder in ["runs", "baselines", "known"] {
            let path = root.join(folder);
            io("make", &path, fs::create_dir_all(&path))?;
        }
        let blobs = DirBlobs::open(root.join("blobs"))?;
        Ok(Self { root, blobs })
    }

    /// The blobs of all analyses.
    pub fn blobs(&self) -> &DirBlobs {
        &self.blobs
    }

    /// Begins an analysis: its id is new and sorts by time.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn begin(&self) -> Result<Run, StoreError> {
        let id = uuid::Uuid::now_v7().to_string();
        let folder = self.root.join("runs").join(&id);
        io("make", &folder, fs::create_dir(&folder))?;
        Ok(Run { id, folder })
    }

    /// The report of an earlier analysis.
    ///
    /// # Errors
    /// When there is none of this id, or it does not read.
    pub fn report(&self, id: &str) -> Result<Report, StoreError> {
        let id = uuid::Uuid::parse_str(id).map_err(|_| StoreError::Unknown(id.to_owned()))?;
        let path = self
            .root
            .join("runs")
            .join(id.to_string())
            .join("report.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Unknown(id.to_string()));
            }
            Err(error) => return io("read", &path, Err(error)),
        };
        serde_json::from_slice(&text).map_err(|error| StoreError::Damaged {
            path,
            detail: error.to_string(),
        })
    }

    /// Files analysis `id` under a key, so that it can be found by what it was made from.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember(&self, key: &str, id: &str) -> Result<(), StoreError> {
        write_whole(&self.file("known", key), id.as_bytes())
    }

    /// The analysis last filed under a key; `None` if there is none or it was deleted.
    pub fn recall(&self, key: &str) -> Option<(Report, Run)> {
        let id = fs::read_to_string(self.file("known", key)).ok()?;
        let id = uuid::Uuid::parse_str(&id).ok()?.to_string();
        let report = self.report(&id).ok()?;
        let folder = self.root.join("runs").join(&id);
        Some((report, Run { id, folder }))
    }

    /// A kept baseline as its maker wrote it; `None` if there is none.
    pub fn baseline(&self, key: &str) -> Option<Vec<u8>> {
        fs::read(self.file("baselines", key).with_extension("json")).ok()
    }

    /// Keeps a baseline.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_baseline(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write_whole(&self.file("baselines", key).with_extension("json"), bytes)
    }

    /// The file of a key in one of our folders.
    fn file(&self, folder: &str, key: &str) -> PathBuf {
        let safe = |c: char| match c {
            c if c.is_ascii_alphanumeric() || c == '-' => c,
            _ => '_',
        };
        self.root
            .join(folder)
            .join(key.chars().map(safe).collect::<String>())
    }
}

/// The folder of one analysis.
#[derive(Clone, Debug)]
pub struct Run {
    id: String,
    folder: PathBuf,
}

impl Run {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file of this analysis, whole; `name` is ours, never the package's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.folder.join(name);
        write_whole(&path, bytes)?;
        Ok(path)
    }

    /// Writes the raw events as compressed lines of JSON, one file an artifact.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_events(&self, artifact: &str, events: &[Event]) -> Result<PathBuf, StoreError> {
        let path = self.folder.join(format!(
            "events-{}.ndjson.zst",
            &artifact[..12.min(artifact.len())]
        ));
        let mut out = io("start", &path, zstd::Encoder::new(Vec::new(), 1))?;
        for event in events {
            let line = serde_json::to_writer(&mut out, event).map_err(std::io::Error::other);
            io(
                "encode",
                &path,
                line.and_then(|()| std::io::Write::write_all(&mut out, b"\n")),
            )?;
        }
        let bytes = io("finish", &path, out.finish())?;
        write_whole(&path, &bytes)?;
        Ok(path)
    }

    /// Removes what was kept of an analysis that came to nothing.
    pub fn discard(self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_key_cannot_leave_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.keep_baseline("../../x", b"{}").unwrap();
        assert_eq!(store.baseline("../../x").as_deref(), Some(&b"{}"[..]));
        assert!(!folder.path().parent().unwrap().join("x.json").exists());
    }

    #[test]
    fn an_analysis_is_recalled_while_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.recall("a").is_none());
        let run = store.begin().unwrap();
        store.remember("a", run.id()).unwrap();
        assert!(store.recall("a").is_none(), "it has no report yet");
        store.remember("b", "../../etc/passwd").unwrap();
        assert!(store.recall("b").is_none());
    }

    #[test]
    fn an_unknown_analysis_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(matches!(
            store.report("../../etc"),
            Err(StoreError::Unknown(_))
        ));
        assert!(matches!(
            store.report("0193a2b4-0000-7000-8000-000000000000"),
            Err(StoreError::Unknown(_))
        ));
    }

    #[test]
    fn ids_sort_by_time_and_a_discarded_run_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (first, second) = (store.begin().unwrap(), store.begin().unwrap());
        assert!(first.id() < second.id());
        let path = first.folder().to_owned();
        first.discard();
        assert!(!path.exists());
    }
}
