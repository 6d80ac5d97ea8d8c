//! Keeps what a slow client said until its configuration changes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};

static MEMORY: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);

/// The state of everything an answer depends on.
pub(crate) struct Key(Sha256);

impl Key {
    pub(crate) fn new(question: &str) -> Self {
        Self(Sha256::new()).text(question)
    }

    /// A part that is compared as it is.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// Variables with their values.
    pub(crate) fn variables(self, variables: &[(String, String)]) -> Self {
        variables
            .iter()
            .fold(self, |key, (name, value)| key.text(name).text(value))
    }

    /// A file, by its size and time of change; also its absence counts.
    pub(crate) fn file(self, path: &Path) -> Self {
        let state = fs::metadata(path).ok().map(|data| {
            let changed = data.modified().ok();
            let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            format!("{} {:?}", data.len(), changed)
        });
        self.text(&path.to_string_lossy())
            .text(&state.unwrap_or_default())
    }

    fn finish(self) -> String {
        self.0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The answer kept for `key` in memory or in `folder`, or else what `ask` says, which is then kept.
pub(crate) fn remember<E>(
    key: Key,
    folder: Option<&Path>,
    ask: impl FnOnce() -> Result<String, E>,
) -> Result<String, E> {
    let key = key.finish();
    if let Some(answer) = memory().get(&key) {
        return Ok(answer.clone());
    }
    let file = folder.map(|folder| folder.join(format!("client-{}", &key[..32])));
    let kept = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
    let answer = match kept.filter(|answer| !answer.is_empty()) {
        Some(answer) => answer,
        None => {
            let answer = ask()?;
            if let Some(file) = file {
                keep(&file, &answer);
            }
            answer
        }
    };
    memory().insert(key, answer.clone());
    Ok(answer)
}

fn memory() -> std::sync::MutexGuard<'static, HashMap<String, String>> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cache that cannot be written only costs time, so failures are logged and no more.
fn keep(file: &Path, answer: &str) {
    let partial = PathBuf::from(format!("{}.{}", file.display(), std::process::id()));
    let written = file
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&partial, answer))
        .and_then(|()| fs::rename(&partial, file));
    if let Err(error) = written {
        tracing::debug!(path = %file.display(), %error, "a client's answer cannot be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_asked_once_and_again_when_a_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("rc");
        let asked = std::cell::Cell::new(0);
        let get = |question: &str, disk| {
            remember(Key::new(question).file(&config), disk, || {
                asked.set(asked.get() + 1);
                Ok::<_, ()>(format!("answer {}", asked.get()))
            })
            .unwrap()
        };
        let disk = Some(folder.path());
        assert_eq!(get("once", disk), "answer 1");
        assert_eq!(get("once", disk), "answer 1");
        memory().clear();
        assert_eq!(get("once", disk), "answer 1", "kept on disk");
        fs::write(&config, "changed").unwrap();
        assert_eq!(get("once", disk), "answer 2");
    }
}
