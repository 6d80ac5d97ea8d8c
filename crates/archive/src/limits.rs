/// Bounds on what is read from one archive. Hitting one is recorded and makes the archive incomplete;
/// only `archive_bytes` refuses it outright, before anything is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest archive file, bytes.
    pub archive_bytes: u64,
    /// Most bytes unpacked, all entries and headers together.
    pub unpacked_bytes: u64,
    /// Most entries.
    pub entries: usize,
    /// Most unpacked bytes per packed byte, once `ratio_after` bytes are unpacked.
    pub ratio: u64,
    /// Unpacked bytes below which the ratio does not matter.
    pub ratio_after: u64,
    /// Longest path, bytes; a longer one is cut and gets no safe path.
    pub path_bytes: usize,
    /// Most folders above an entry; a deeper one gets no safe path.
    pub depth: usize,
    /// Most file bytes kept in memory; files past it are measured and hashed only.
    pub kept_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive_bytes: 256 << 20,
            unpacked_bytes: 1 << 30,
            entries: 50_000,
            ratio: 200,
            ratio_after: 10 << 20,
            path_bytes: 4096,
            depth: 128,
            kept_bytes: 512 << 20,
        }
    }
}
