//! What a killed `apa` leaves behind. Processes, mounts and namespaces go with it; control groups do not, so each
//! sandbox notes them in a file named after its owner, and the next run removes those of owners that are gone.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cgroup;

/// Removes what earlier runs that were killed have left, and says what it removed or could not remove.
pub fn clean_up_leftovers() -> Vec<String> {
    let Some(entries) = folder().and_then(|folder| fs::read_dir(folder).ok()) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| !owner_lives(name))
        })
        .flat_map(|entry| clean_up(&entry.path()))
        .collect()
}

fn clean_up(note: &Path) -> Vec<String> {
    let mut said = Vec::new();
    for group in fs::read_to_string(note)
        .unwrap_or_default()
        .lines()
        .map(Path::new)
    {
        // The note is ours, but a path from a file is checked before anything is killed or removed by it.
        if !group.starts_with("/sys/fs/cgroup") || !group.is_dir() {
            continue;
        }
        cgroup::kill(group);
        said.push(match cgroup::remove(group) {
            Ok(()) => format!("removed control group {}", group.display()),
            Err(problem) => problem,
        });
    }
    // Another run may clean up at the same time.
    if let Err(error) = fs::remove_file(note)
        && error.kind() != io::ErrorKind::NotFound
    {
        said.push(format!("{} remains: {error}", note.display()));
    }
    said
}

/// A unique name for a sandbox's groups: pid and start time of the owner (a pid alone is reused), and a number.
pub(crate) fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let pid = std::process::id();
    let start = start_time(pid).unwrap_or(0);
    format!("{pid}-{start}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Notes folders to be removed when this process is gone; removed with the note.
#[derive(Debug, Default)]
pub(crate) struct Note(Option<PathBuf>);

impl Note {
    pub(crate) fn write(name: &str, groups: &[PathBuf]) -> io::Result<Self> {
        if groups.is_empty() {
            return Ok(Self(None));
        }
        let Some(folder) = folder() else {
            return Ok(Self(None));
        };
        let lines: String = groups
            .iter()
            .map(|group| format!("{}\n", group.display()))
            .collect();
        let path = folder.join(name);
        // Another run may remove the empty folder between the two calls.
        for _ in 0..3 {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)?;
            match fs::write(&path, &lines) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other.map(|()| Self(Some(path))),
            }
        }
        Err(io::Error::other(format!(
            "{} cannot be written",
            path.display()
        )))
    }

    pub(crate) fn remove(&mut self) {
        if let Some(path) = self.0.take() {
            // Another run may have cleaned up already; the folder goes when it is empty.
            let _ = fs::remove_file(&path);
            let _ = path.parent().map(fs::remove_dir);
        }
    }
}

/// A folder of this user alone.
fn folder() -> Option<PathBuf> {
    let uid = nix::unistd::geteuid().as_raw();
    let parent = if uid == 0 {
        PathBuf::from("/run")
    } else {
        PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?)
    };
    fs::metadata(&parent)
        .ok()
        .filter(|data| data.uid() == uid)
        .map(|_| parent.join("apa"))
}

fn owner_lives(name: &str) -> bool {
    let mut parts = name.split('-').map(str::parse::<u64>);
    match (parts.next(), parts.next()) {
        (Some(Ok(pid)), Some(Ok(start))) => start_time(pid as u32) == Some(start),
        // Not one of ours.
        _ => true,
    }
}

/// Clock ticks from boot to the start of a process.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    // Field 22; the text begins with field 3.
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_known_by_pid_and_start_time() {
        let name = fresh_name();
        assert!(owner_lives(&name));
        let pid = std::process::id();
        assert!(!owner_lives(&format!("{pid}-1-0")));
        assert!(owner_lives("something-else"));
    }
}
