//! What a list had before: an older file, or the same file at a commit of git.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apa_lockfile::{Entry, Hash, Merged, Subject};
use apa_model::scan::{ScanStatus, ScannedPackage};

use super::super::Failure;
use super::lists::{self, List};

/// Packages with the hashes that each place gave them: a package whose hash changed is another one.
pub(super) type Before = HashSet<(Subject, Vec<Hash>)>;

/// What the lists had at `since`.
pub(super) fn before(lists: &[List], since: &str) -> Result<Before, Failure> {
    let mut before = Before::new();
    let old = Path::new(since);
    if old.exists() {
        for list in lists::read(&[old.to_owned()])? {
            add(&mut before, list.entries);
        }
        return Ok(before);
    }
    for list in lists {
        let name = list.path.file_name().unwrap_or_default().to_string_lossy();
        // A list that was not there then is all new.
        if let Some(bytes) = at_commit(&list.path, since)? {
            let listing = lists::parse(&name, &bytes, &list.path)
                .map_err(|why| Failure::usage(anyhow::anyhow!("{name} at {since}: {why}")))?;
            add(&mut before, listing.entries);
        }
    }
    Ok(before)
}

fn add(before: &mut Before, entries: Vec<Entry>) {
    before.extend(
        entries
            .into_iter()
            .map(|entry| (entry.subject, entry.hashes)),
    );
}

/// Marks what was listed before, wherever it is listed now, with the same hashes.
pub(super) fn mark(merged: &[Merged], before: &Before, packages: &mut [ScannedPackage]) {
    for (one, package) in merged.iter().zip(packages) {
        let known = |hashes: &Vec<Hash>| before.contains(&(one.subject.clone(), hashes.clone()));
        let unchanged = match one.hashes.as_slice() {
            [] => known(&Vec::new()),
            all => all.iter().all(known),
        };
        if unchanged {
            package.status = ScanStatus::Unchanged;
            package.reason = None;
            package.exit_code = 0;
        }
    }
}

/// The file at a commit; `None` when it was not there.
///
/// `cat-file` prints what is stored and runs no filter, pager or hook of the repository.
fn at_commit(path: &Path, commit: &str) -> Result<Option<Vec<u8>>, Failure> {
    if commit.starts_with('-') || commit.contains([':', '\0', '\n']) {
        return Err(Failure::usage(anyhow::anyhow!(
            "\"{}\" is neither a file nor a commit",
            commit.escape_debug()
        )));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    git(
        &folder,
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &format!("{commit}^{{commit}}"),
        ],
    )?
    .ok_or_else(|| {
        let path = folder.display();
        Failure::usage(anyhow::anyhow!(
            "{commit} is neither a file nor a commit of the repository in {path}"
        ))
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    git(
        &folder,
        &["cat-file", "blob", &format!("{commit}:./{name}")],
    )
}

/// Standard output of git; `None` when it ends with another status than 0.
fn git(folder: &Path, arguments: &[&str]) -> Result<Option<Vec<u8>>, Failure> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::infrastructure(anyhow::anyhow!(
                "cannot run git: {error}; install it, or give a file"
            ))
        })?;
    Ok(output.status.success().then_some(output.stdout))
}
