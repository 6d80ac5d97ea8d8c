use std::collections::HashMap;
use std::sync::Arc;

use apa_model::{Anomaly, Digest, Hostile};

use crate::part::Part;

/// How the archive is packed, told by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Tar in gzip.
    TarGz,
    /// Plain tar.
    Tar,
    /// Zip.
    Zip,
    /// A Ruby gem: tar of `metadata.gz` and `data.tar.gz`; entries are the files of the latter.
    Gem,
    /// An Alpine package, version 2; entries are those of all its gzip members.
    Apk,
    /// A Debian package; entries are those of `data.tar`, and those of `control.tar` below `DEBIAN/`.
    Deb,
}

/// What an entry stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points, as given.
        target: Hostile,
    },
    /// A second name of an earlier entry.
    Hardlink {
        /// Which, as given.
        target: Hostile,
    },
    /// A device, a pipe or something unknown.
    Special,
}

/// One entry as the archive states it; nothing was written to disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name as given, cut at the path limit.
    pub path: Hostile,
    /// Name without `.`, `..`, empty parts and a leading `/`; `None` where it would leave the archive or is
    /// no usable file name. It still holds characters the package chose: show [`Entry::path`] instead.
    pub safe_path: Option<String>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// Measured content, bytes.
    pub size: u64,
    /// SHA-256 of the measured content.
    pub sha256: Digest,
    /// The content; empty unless `kept`.
    pub bytes: Arc<[u8]>,
    /// Whether `bytes` is the whole measured content. False past the memory limit and for members that
    /// cannot be read (encrypted, unknown method).
    pub kept: bool,
    /// Extended tar records that a tool defined for itself (`APK-TOOLS.checksum.SHA1`), by name; at most 8 of at most
    /// 256 bytes.
    pub records: Vec<(Hostile, Hostile)>,
}

impl Entry {
    /// The value of an extended record.
    pub fn record(&self, name: &str) -> Option<&Hostile> {
        let found = self
            .records
            .iter()
            .find(|(key, _)| key.as_bytes() == name.as_bytes());
        found.map(|(_, value)| value)
    }
}

/// What an archive holds, with everything odd about it.
#[derive(Clone, Debug)]
pub struct Archive {
    /// How it is packed.
    pub format: Format,
    /// Entries in the order of the archive, also those that a client would refuse.
    pub entries: Vec<Entry>,
    /// What is odd, in the order found; at most [`crate::ANOMALIES_PER_KIND`] of a kind.
    pub anomalies: Vec<Anomaly>,
    /// Whether everything in it was read. False is never clean.
    pub complete: bool,
    /// The sections of a format that wraps its files ([`Format::Gem`], [`Format::Apk`], [`Format::Deb`]), in the order
    /// of the file; empty for others.
    pub parts: Vec<Part>,
    /// Where each entry's content begins in a plain tar archive.
    pub(crate) offsets: Vec<u64>,
    pub(crate) by_path: HashMap<String, usize>,
}

impl Archive {
    /// One without entries.
    pub(crate) fn empty() -> Self {
        Self {
            format: Format::Tar,
            entries: Vec::new(),
            anomalies: Vec::new(),
            complete: true,
            parts: Vec::new(),
            offsets: Vec::new(),
            by_path: HashMap::new(),
        }
    }

    /// The regular file that an extraction would leave at `safe_path` (the last one of that name).
    pub fn file(&self, safe_path: &str) -> Option<&Entry> {
        self.by_path
            .get(safe_path)
            .and_then(|at| self.entries.get(*at))
    }

    /// The last section of this name.
    pub fn part(&self, name: &str) -> Option<&Part> {
        let named = |part: &&Part| part.name.as_bytes() == name.as_bytes();
        self.parts.iter().rev().find(named)
    }

    /// What lies below a folder, as an archive of its own in which that folder is the one at the top. What was odd about
    /// the whole stays there.
    pub fn below(&self, folder: &str) -> Self {
        let folder = folder.trim_end_matches('/');
        let above = folder.rfind('/').map_or(0, |at| at + 1);
        let mut part = Self {
            format: self.format,
            complete: self.complete,
            ..Self::empty()
        };
        for entry in &self.entries {
            let below = entry.safe_path.as_deref().filter(|path| {
                path.strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
            });
            let Some(path) = below else { continue };
            let safe = path[above..].to_owned();
            if entry.kind == EntryKind::File {
                part.by_path.insert(safe.clone(), part.entries.len());
            }
            part.entries.push(Entry {
                path: safe.as_str().into(),
                safe_path: Some(safe),
                ..entry.clone()
            });
        }
        part
    }

    /// The one folder that holds everything, if there is one.
    pub fn strip_top(&self) -> Option<String> {
        let mut top = None;
        for entry in &self.entries {
            let Some(path) = entry.safe_path.as_deref() else {
                continue;
            };
            let first = match path.split_once('/') {
                Some((first, _)) => first,
                None if entry.kind == EntryKind::Directory => path,
                None => return None,
            };
            if *top.get_or_insert(first) != first {
                return None;
            }
        }
        top.filter(|top| !top.is_empty()).map(str::to_owned)
    }
}
