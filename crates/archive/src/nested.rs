use apa_model::Hostile;

use crate::limits::Limits;
use crate::tree::{Archive, Entry, EntryKind};

/// How deep archives in archives are opened.
const DEPTH: usize = 4;
/// Most archives inside one file that are opened.
const MOST: usize = 1_000;

/// An archive found inside another one.
#[derive(Clone, Debug)]
pub struct Nested {
    /// Names of the entries that lead to it, joined by `!/`: `WEB-INF/lib/a.jar`, `app.war!/WEB-INF/lib/a.jar`.
    pub path: Hostile,
    /// What is in it, with what is odd about it.
    pub archive: Archive,
}

/// The archives among an archive's files, told by content.
#[derive(Clone, Debug, Default)]
pub struct NestedArchives {
    /// In the order of the file, each before what is inside it.
    pub found: Vec<Nested>,
    /// Some were not opened: too deep, too many, too large, or their entry was not kept.
    pub cut: bool,
}

impl Archive {
    /// Opens the archives among its files (jars in a war, wheels in an sdist), and those inside them, up to four
    /// deep. `limits` bound all of them together: bytes unpacked, bytes kept, entries.
    pub fn nested(&self, limits: &Limits) -> NestedArchives {
        let mut out = NestedArchives::default();
        let mut left = limits.clone();
        open(self, b"", DEPTH, &mut left, &mut out);
        out
    }
}

fn open(
    archive: &Archive,
    above: &[u8],
    depth: usize,
    left: &mut Limits,
    out: &mut NestedArchives,
) {
    for entry in archive.entries.iter().filter(|entry| is_archive(entry)) {
        if depth == 0 || out.found.len() >= MOST || left.unpacked_bytes == 0 || left.entries == 0 {
            out.cut = true;
            return;
        }
        let mut path = above.to_vec();
        if !path.is_empty() {
            path.extend(b"!/");
        }
        path.extend(entry.path.as_bytes());
        let Ok(inner) = crate::read_bytes(&entry.bytes, "nested", left) else {
            continue;
        };
        let unpacked: u64 = inner.entries.iter().map(|entry| entry.size).sum();
        let kept: u64 = inner
            .entries
            .iter()
            .map(|entry| entry.bytes.len() as u64)
            .sum();
        left.unpacked_bytes = left.unpacked_bytes.saturating_sub(unpacked.max(1));
        left.kept_bytes = left.kept_bytes.saturating_sub(kept);
        left.entries = left.entries.saturating_sub(inner.entries.len().max(1));
        let at = out.found.len();
        out.found.push(Nested {
            path: Hostile::new(path.clone()).shortened(left.path_bytes),
            archive: inner,
        });
        // Taken out while it is walked, so that the list can grow.
        let inner = std::mem::replace(&mut out.found[at].archive, Archive::empty());
        open(&inner, &path, depth - 1, left, out);
        out.found[at].archive = inner;
    }
}

fn is_archive(entry: &Entry) -> bool {
    const STARTS: [&[u8]; 4] = [b"PK\x03\x04", b"\x1f\x8b", b"!<arch>\n", b"PK\x05\x06"];
    let tar = || entry.bytes.get(257..262) == Some(b"ustar");
    entry.kind == EntryKind::File
        && entry.kept
        && (STARTS.iter().any(|start| entry.bytes.starts_with(start)) || tar())
}
