//! Turns what the format readers find into entries and anomalies, within the limits.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};

use apa_model::{Anomaly, Hostile};
use sha2::{Digest as _, Sha256};

use crate::limits::Limits;
use crate::names;
use crate::part::Part;
use crate::tree::{Archive, Entry, EntryKind, Format};

/// Most anomalies listed of each kind; a last one counts the rest. One kind cannot crowd out another.
pub const ANOMALIES_PER_KIND: usize = 100;
/// Most bytes of names and link targets of one archive; they are held several times.
const NAMES: usize = 32 << 20;

/// An entry before its content is read.
pub(crate) struct Head {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: EntryKind,
    pub(crate) mode: u32,
    /// Extended records that are kept.
    pub(crate) records: Vec<(Hostile, Hostile)>,
    /// Where the content begins in a plain tar archive.
    pub(crate) offset: u64,
}

/// What reading an entry's content came to.
///
/// The bytes are there while memory allows.
pub(crate) struct Content {
    pub(crate) size: u64,
    bytes: Option<Vec<u8>>,
    sha256: String,
    /// Why it ended early.
    pub(crate) error: Option<io::Error>,
}

impl Content {
    /// The content, if it is in memory.
    pub(crate) fn kept(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }
}

pub(crate) struct Collector<'a> {
    pub(crate) limits: &'a Limits,
    entries: Vec<Entry>,
    anomalies: Vec<Anomaly>,
    counts: BTreeMap<&'static str, usize>,
    complete: bool,
    kept: u64,
    /// Bytes of all names and link targets so far.
    named: usize,
    buffer: Vec<u8>,
    seen: HashMap<String, bool>,
    folded: HashMap<String, String>,
    symlinks: HashSet<String>,
    by_path: HashMap<String, usize>,
    offsets: Vec<u64>,
    parts: Vec<Part>,
    /// Put in front of every name.
    prefix: &'static str,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            entries: Vec::new(),
            anomalies: Vec::new(),
            counts: BTreeMap::new(),
            complete: true,
            kept: 0,
            named: 0,
            buffer: vec![0; 64 << 10],
            seen: HashMap::new(),
            folded: HashMap::new(),
            symlinks: HashSet::new(),
            by_path: HashMap::new(),
            offsets: Vec::new(),
            parts: Vec::new(),
            prefix: "",
        }
    }

    /// What was added so far.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a section.
    pub(crate) fn part(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// Puts a folder in front of the names of what is added from now on.
    pub(crate) fn below(&mut self, prefix: &'static str) {
        self.prefix = prefix;
    }

    /// Takes over what was odd about the wrapping of this archive.
    pub(crate) fn absorb(&mut self, outer: &Archive) {
        self.complete &= outer.complete;
        for anomaly in &outer.anomalies {
            self.anomalies.push(anomaly.clone());
        }
    }

    pub(crate) fn anomaly(&mut self, kind: &'static str, path: &[u8], detail: impl Into<Hostile>) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= ANOMALIES_PER_KIND {
            self.anomalies.push(Anomaly {
                kind: kind.into(),
                path: Hostile::from(path).shortened(self.limits.path_bytes),
                detail: detail.into(),
            });
        }
    }

    /// Records an anomaly that kept something from being read.
    pub(crate) fn unread(&mut self, kind: &'static str, path: &[u8], detail: impl Into<Hostile>) {
        self.complete = false;
        self.anomaly(kind, path, detail);
    }

    /// Whether another entry may be added; records it if not.
    pub(crate) fn has_room(&mut self) -> bool {
        let detail = if self.entries.len() >= self.limits.entries {
            format!(
                "more than {} entries; the rest was not read",
                self.limits.entries
            )
        } else if self.named >= NAMES {
            format!("names take more than {NAMES} bytes; the rest was not read")
        } else {
            return true;
        };
        self.unread("entry-limit", b"", detail);
        false
    }

    /// Reads content to its end: measures, hashes and keeps it while memory allows.
    pub(crate) fn read(&mut self, reader: &mut dyn Read) -> Content {
        let room = self.limits.kept_bytes.saturating_sub(self.kept);
        let mut hash = Sha256::new();
        let mut kept = Some(Vec::new());
        let mut size = 0u64;
        let mut error = None;
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    size += n as u64;
                    hash.update(&buffer[..n]);
                    if size > room {
                        kept = None;
                    }
                    if let Some(kept) = &mut kept {
                        kept.extend_from_slice(&buffer[..n]);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    error = Some(e);
                    break;
                }
            }
        }
        self.buffer = buffer;
        Content {
            size,
            bytes: kept,
            sha256: hex(&hash.finalize()),
            error,
        }
    }

    /// Adds an entry with the content read for it, `None` if it could not be read at all.
    pub(crate) fn add(&mut self, mut head: Head, content: Option<Content>) {
        self.named += head.path.len().min(self.limits.path_bytes);
        if let EntryKind::Symlink { target } | EntryKind::Hardlink { target } = &mut head.kind {
            *target = target.shortened(self.limits.path_bytes);
            self.named += target.len();
        }
        if !self.prefix.is_empty() {
            head.path.splice(0..0, self.prefix.bytes());
        }
        let judged = names::judge(&head.path, self.limits);
        for (kind, detail) in &judged.odd {
            self.anomaly(kind, &head.path, *detail);
        }
        self.check_kind(&head, judged.safe.as_deref());
        if let Some(safe) = &judged.safe {
            self.check_place(&head, safe);
            if head.kind == EntryKind::File {
                self.by_path.insert(safe.clone(), self.entries.len());
            } else if head.kind != EntryKind::Directory {
                self.by_path.remove(safe);
            }
        }
        let (size, sha256, bytes) = match content {
            Some(content) => (content.size, content.sha256, content.bytes),
            None => (0, hex(&Sha256::digest([])), None),
        };
        if bytes.is_none() && size > 0 {
            let detail = format!("{size} bytes were hashed but are past the memory limit");
            self.unread("memory-limit", &head.path, detail);
        }
        let kept = bytes.is_some();
        let bytes = bytes.unwrap_or_default();
        self.kept += bytes.len() as u64;
        self.offsets.push(head.offset);
        self.entries.push(Entry {
            path: Hostile::from(head.path).shortened(self.limits.path_bytes),
            safe_path: judged.safe,
            kind: head.kind,
            mode: head.mode & 0o7777,
            size,
            sha256,
            bytes: bytes.into(),
            kept,
            records: head.records,
        });
    }

    fn check_kind(&mut self, head: &Head, safe: Option<&str>) {
        if head.mode & 0o6000 != 0 {
            let detail = format!("mode {:o} sets user or group", head.mode & 0o7777);
            self.anomaly("setuid", &head.path, detail);
        }
        let folder = safe
            .and_then(|safe| safe.rsplit_once('/'))
            .map_or("", |(f, _)| f);
        match &head.kind {
            EntryKind::Symlink { target } if names::link_leaves(folder, target.as_bytes()) => {
                self.anomaly("symlink-leaves", &head.path, arrow(target));
            }
            EntryKind::Hardlink { target } if names::link_leaves("", target.as_bytes()) => {
                self.anomaly("hardlink-leaves", &head.path, arrow(target));
            }
            EntryKind::Special => {
                self.anomaly(
                    "special-file",
                    &head.path,
                    "a device, a pipe or an unknown type",
                );
            }
            _ => {}
        }
    }

    fn check_place(&mut self, head: &Head, safe: &str) {
        let through = safe
            .match_indices('/')
            .map(|(at, _)| &safe[..at])
            .find(|folder| self.symlinks.contains(*folder))
            .map(str::to_owned);
        if let Some(folder) = through {
            let detail = format!("the folder {} is a symbolic link", Hostile::from(folder));
            self.anomaly("write-through-symlink", &head.path, detail);
        }
        if matches!(head.kind, EntryKind::Symlink { .. }) {
            self.symlinks.insert(safe.to_owned());
        }
        let directory = head.kind == EntryKind::Directory;
        if let Some(before) = self.seen.insert(safe.to_owned(), directory)
            && !(before && directory)
        {
            self.anomaly(
                "duplicate-entry",
                &head.path,
                "the name occurs again; readers disagree on which one counts",
            );
        }
        let other = self
            .folded
            .entry(safe.to_lowercase())
            .or_insert_with(|| safe.to_owned());
        if other != safe {
            let detail = format!(
                "differs only in case from {}",
                Hostile::from(other.as_str())
            );
            self.anomaly("case-collision", &head.path, detail);
        }
    }

    pub(crate) fn finish(mut self, format: Format) -> Archive {
        for (kind, count) in &self.counts {
            if *count > ANOMALIES_PER_KIND {
                self.anomalies.push(Anomaly {
                    kind: (*kind).into(),
                    path: Hostile::default(),
                    detail: format!("{} more of this kind", count - ANOMALIES_PER_KIND).into(),
                });
            }
        }
        Archive {
            format,
            entries: self.entries,
            anomalies: self.anomalies,
            complete: self.complete,
            parts: self.parts,
            offsets: self.offsets,
            by_path: self.by_path,
        }
    }
}

fn arrow(target: &Hostile) -> Hostile {
    let mut detail = b"points to ".to_vec();
    detail.extend_from_slice(target.shortened(1024).as_bytes());
    Hostile::new(detail)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
