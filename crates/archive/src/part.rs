use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use apa_model::{Digest, Hostile};
use sha2::{Digest as _, Sha256};

use crate::collect::hex;

/// Largest part whose packed bytes are kept, bytes.
const RAW: u64 = 8 << 20;

/// A section of a format that wraps its files: a member of a gem or a .deb, a gzip member of an APK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name: the member's as given, or `signature`, `control`, `data` for an APK's gzip members.
    pub name: Hostile,
    /// Where its packed bytes begin in the file.
    pub offset: u64,
    /// How many packed bytes there are.
    pub length: u64,
    /// SHA-256 of the packed bytes.
    pub sha256: Digest,
    /// The packed bytes; `None` for more than 8 MiB.
    pub raw: Option<Arc<[u8]>>,
    /// The unpacked content of a part that is no archive itself (a gem's `metadata.gz`); `None` for an archive, and
    /// for what could not be unpacked within 8 MiB.
    pub content: Option<Arc<[u8]>>,
    /// Which of [`crate::Archive::entries`] came from it.
    pub entries: Range<usize>,
}

impl Part {
    /// Hashes `length` bytes of `file` from `offset`.
    pub(crate) fn read<F: Read + Seek>(
        file: &mut F,
        name: Hostile,
        (offset, length): (u64, u64),
        entries: Range<usize>,
    ) -> io::Result<Self> {
        file.seek(SeekFrom::Start(offset))?;
        let mut hash = Sha256::new();
        let mut raw = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let mut left = length;
        while left > 0 {
            let wanted = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = file.read(&mut buffer[..wanted])?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            if length <= RAW {
                raw.extend_from_slice(&buffer[..n]);
            }
            left -= n as u64;
        }
        Ok(Self {
            name,
            offset,
            length: length - left,
            sha256: hex(&hash.finalize()),
            raw: (length <= RAW).then(|| raw.into()),
            content: None,
            entries,
        })
    }
}

/// All of `reader`, `None` when it fails or holds more than a part may.
pub(crate) fn small(reader: impl Read) -> io::Result<Option<Arc<[u8]>>> {
    let mut bytes = Vec::new();
    reader.take(RAW + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= RAW).then(|| bytes.into()))
}
