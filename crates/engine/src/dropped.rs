//! Files that package code wrote, kept by their hash.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use apa_archive::Archive;
use apa_model::report::Dropped;
use apa_model::{
    BlobSink, Digest, Event, EventKind, Hostile, Incomplete, IncompleteCode, Owner, Phase, Plan,
    ProcessId,
};
use apa_sandbox::Written;
use apa_store::DirBlobs;
use apa_trace::Trace;

/// Files kept per detonation.
const MAX_FILES: usize = 2_000;
/// Bytes of one file.
pub(crate) const MAX_FILE_BYTES: u64 = 64 << 20;
/// Bytes of all files.
pub(crate) const MAX_BYTES: u64 = 512 << 20;

/// Archives of dependencies that are searched for what was unpacked.
const MAX_SEARCHED: usize = 60;

/// Who wrote a path last.
#[derive(Clone, Debug)]
struct Writer {
    process: ProcessId,
    owner: Owner,
    phase: Phase,
}

/// Goes through what remains in the writable layer and keeps what package code wrote.
pub(crate) struct Keeper<'a> {
    writers: HashMap<Hostile, Writer>,
    blobs: &'a DirBlobs,
    bytes: u64,
    full: bool,
    pub(crate) kept: Vec<Dropped>,
    pub(crate) incomplete: Vec<Incomplete>,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(trace: &Trace, blobs: &'a DirBlobs) -> Self {
        Self {
            writers: writers(&trace.events),
            blobs,
            bytes: 0,
            full: false,
            kept: Vec::new(),
            incomplete: Vec::new(),
        }
    }

    pub(crate) fn visit(&mut self, file: Written, reader: &mut dyn Read) {
        let Some(writer) = self.writers.get(&file.path).cloned() else {
            return;
        };
        if !writer.owner.is_package_code() || self.full {
            return;
        }
        if self.kept.len() >= MAX_FILES || self.bytes >= MAX_BYTES {
            self.full = true;
            self.limit(
                format!(
                    "more than {MAX_FILES} files or {} MiB were written",
                    MAX_BYTES >> 20
                ),
                writer.phase,
            );
            return;
        }
        let sha256 = if file.size > MAX_FILE_BYTES {
            self.limit(
                format!("{} has {} bytes, more than is kept", file.path, file.size),
                writer.phase,
            );
            None
        } else {
            match self.blobs.put(&mut reader.take(MAX_FILE_BYTES)) {
                Ok((sha256, size)) => {
                    self.bytes += size;
                    Some(sha256)
                }
                Err(error) => {
                    self.limit(
                        format!("{} could not be kept: {error}", file.path),
                        writer.phase,
                    );
                    None
                }
            }
        };
        self.kept.push(Dropped {
            artifact: String::new(),
            path: file.path,
            sha256,
            size: file.size,
            when: "remained".into(),
            mode: file.mode,
            process: Some(writer.process),
            owner: Some(writer.owner),
            phase: writer.phase,
        });
    }

    fn limit(&mut self, detail: String, phase: Phase) {
        self.incomplete.push(Incomplete {
            code: IncompleteCode::DroppedLimit,
            phase: Some(phase),
            detail: detail.into(),
        });
    }
}

/// Hashes of kept files that begin like a program or a library.
pub(crate) fn machine_code(dropped: &[Dropped], blobs: &DirBlobs) -> BTreeSet<Digest> {
    const BEGINNINGS: [&[u8]; 3] = [b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe"];
    let begins = |hash: &Digest| {
        let mut head = [0; 4];
        let file = blobs.path(hash).and_then(|path| File::open(path).ok());
        file.is_some_and(|mut file| file.read_exact(&mut head).is_ok())
            && BEGINNINGS.iter().any(|known| head.starts_with(known))
    };
    let hashes = dropped.iter().filter_map(|file| file.sha256.clone());
    hashes.filter(begins).collect()
}

fn writers(events: &[Event]) -> HashMap<Hostile, Writer> {
    let mut writers = HashMap::new();
    for event in events.iter().filter(|event| !event.outcome.failed()) {
        let path = match &event.kind {
            EventKind::Open { path, access, .. } if access.writes() => path,
            EventKind::Truncate { path, .. } => path,
            EventKind::Rename { to, .. } => to,
            EventKind::Link {
                path,
                symbolic: false,
                ..
            } => path,
            _ => continue,
        };
        let writer = Writer {
            process: event.process,
            owner: event.owner.clone(),
            phase: event.phase,
        };
        writers.insert(path.clone(), writer);
    }
    writers
}

/// What remained and what the tracer caught before it went away, the latter first; a file that stands in both with
/// the same bytes stands once.
pub(crate) fn gather(
    remained: Vec<Dropped>,
    trace: &Trace,
    artifact: &str,
    archive: &Archive,
    plan: &Plan,
) -> Vec<Dropped> {
    let own: HashSet<&str> = archive
        .entries
        .iter()
        .map(|entry| entry.sha256.as_str())
        .collect();
    let owners: HashMap<ProcessId, &Owner> = trace
        .processes
        .iter()
        .map(|process| (process.id, &process.owner))
        .collect();
    let captured = trace.captured.iter().map(|file| Dropped {
        artifact: artifact.to_owned(),
        path: file.path.clone(),
        sha256: file.sha256.clone(),
        size: file.size,
        when: file.when.to_owned(),
        mode: file.mode,
        process: Some(file.process),
        owner: owners.get(&file.process).map(|owner| (*owner).clone()),
        phase: file.phase,
    });
    let remained = remained.into_iter().map(|file| Dropped {
        artifact: artifact.to_owned(),
        ..file
    });
    let mut seen = HashSet::new();
    captured
        .filter(|file| file.owner.as_ref().is_some_and(Owner::is_package_code))
        .chain(remained)
        .filter(|file| !is_build_copy(file, &own) && !is_planned(file, &own, plan))
        .filter(|file| seen.insert((file.path.clone(), file.sha256.clone(), file.size)))
        .collect()
}

/// What the plan put into place is the sample, not something that it wrote, as long as it has the bytes it came with.
fn is_planned(file: &Dropped, own: &HashSet<&str>, plan: &Plan) -> bool {
    let same = file.sha256.as_deref().is_some_and(|it| own.contains(it));
    let path = file.path.as_bytes();
    same && plan.files.iter().any(|one| one.path.as_bytes() == path)
}

/// A source build copies the artifact's own files about below the folder pip unpacked it into, and deletes them.
fn is_build_copy(file: &Dropped, own: &HashSet<&str>) -> bool {
    let built = file.path.as_bytes().starts_with(b"/tmp/pip-");
    let copied = file
        .sha256
        .as_deref()
        .is_some_and(|sha256| own.contains(sha256));
    built && copied && file.when != "executed"
}

/// Which of these hashes are those of files in the artifact, in jars inside it, or in these archives.
pub(crate) fn shipped(
    wanted: &BTreeSet<Digest>,
    archive: &Archive,
    others: &[PathBuf],
) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    let take = |archive: &Archive, found: &mut BTreeSet<Digest>| {
        let hashes = archive.entries.iter().map(|entry| &entry.sha256);
        found.extend(hashes.filter(|hash| wanted.contains(*hash)).cloned());
    };
    if wanted.is_empty() {
        return found;
    }
    let limits = apa_archive::Limits::default();
    take(archive, &mut found);
    for entry in &archive.entries {
        let jar = entry.kept && entry.path.as_bytes().ends_with(b".jar");
        if jar && let Ok(nested) = apa_archive::read_bytes(&entry.bytes, "nested", &limits) {
            take(&nested, &mut found);
        }
    }
    for path in others.iter().take(MAX_SEARCHED) {
        if found.len() == wanted.len() {
            break;
        }
        if let Ok(other) = apa_archive::read(path, &limits) {
            take(&other, &mut found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copies_of_the_artifacts_files_in_a_build_folder_are_left_out() {
        let file = |path: &str, sha256: &str, when: &str| Dropped {
            artifact: String::new(),
            path: path.into(),
            sha256: Some(sha256.to_owned()),
            size: 1,
            when: when.to_owned(),
            mode: 0o644,
            process: None,
            owner: None,
            phase: Phase::Install,
        };
        let own = HashSet::from(["own"]);
        let build = "/tmp/pip-req-build-ab12cd34/build/lib/a.py";
        assert!(is_build_copy(&file(build, "own", "deleted"), &own));
        assert!(!is_build_copy(&file(build, "other", "deleted"), &own));
        assert!(!is_build_copy(&file(build, "own", "executed"), &own));
        assert!(!is_build_copy(&file("/tmp/a.py", "own", "deleted"), &own));
    }
}
