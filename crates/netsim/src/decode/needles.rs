use apa_model::Canary;

/// A contiguous part of a long secret counts from this many bytes on.
const PARTIAL: usize = 24;
/// Secrets shorter than this are not distinctive enough to be searched.
const SHORTEST: usize = 12;
/// Bytes an anchor covers.
const ANCHOR: usize = 8;
/// An anchor starts at every fourth byte of a secret, so that any part of `PARTIAL` bytes holds several.
const STRIDE: usize = 4;
/// Distinct byte values a match must have, so that a run of padding proves nothing.
const DISTINCT: usize = 7;
/// Size of the filter: 32 KiB, so that it stays in the processor's nearest cache.
const FILTER_BITS: u32 = 18;

/// Text that every key file of a kind has: seeing it proves nothing about this run's key.
const BOILERPLATE: &[&str] = &[
    "-----BEGINOPENSSHPRIVATEKEY-----",
    "-----ENDOPENSSHPRIVATEKEY-----",
    "-----BEGINRSAPRIVATEKEY-----",
    "-----ENDRSAPRIVATEKEY-----",
    "-----BEGINECPRIVATEKEY-----",
    "-----ENDECPRIVATEKEY-----",
    "-----BEGINPRIVATEKEY-----",
    "-----ENDPRIVATEKEY-----",
    "-----BEGINCERTIFICATE-----",
    "-----ENDCERTIFICATE-----",
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQAAACA",
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABlwAAAAdzc2gtcnNhAAAAAwEAAQAAAYEA",
];

/// One byte string to look for.
struct Needle {
    canary: usize,
    bytes: Vec<u8>,
    reversed: bool,
}

/// Where a secret was found.
pub(super) struct Found {
    /// Index of the canary.
    pub(super) canary: usize,
    /// The secret was written backwards.
    pub(super) reversed: bool,
    /// It was XORed with this byte; 0: it was not.
    pub(super) key: u8,
    /// First byte of the match.
    pub(super) start: usize,
    /// One past its last byte.
    pub(super) end: usize,
}

/// All secrets of a run, forwards and backwards, searched in one pass.
///
/// The pass looks at the XOR of neighbouring bytes, which a single-byte XOR key does not change: plain
/// secrets and those under all 255 keys cost the same one look-up a byte.
pub(super) struct Needles {
    needles: Vec<Needle>,
    /// One bit per hash value: whether any anchor has it.
    filter: Vec<u64>,
    /// `(anchor, needle, offset in the needle)`, sorted by anchor.
    anchors: Vec<(u64, u32, u32)>,
}

impl Needles {
    pub(super) fn new(canaries: &[Canary]) -> Self {
        let mut built = Self {
            needles: Vec::new(),
            filter: vec![0; 1 << (FILTER_BITS - 6)],
            anchors: Vec::new(),
        };
        for (canary, secret) in canaries
            .iter()
            .enumerate()
            .flat_map(|(index, canary)| canary.secrets.iter().map(move |secret| (index, secret)))
        {
            let squeezed: Vec<u8> = secret
                .bytes()
                .filter(|b| !b.is_ascii_whitespace())
                .collect();
            if squeezed.len() != secret.len() {
                built.add(canary, secret.as_bytes());
            }
            built.add(canary, &squeezed);
        }
        built.anchors.sort_unstable();
        built
    }

    fn add(&mut self, canary: usize, bytes: &[u8]) {
        if bytes.len() < SHORTEST {
            return;
        }
        let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
        for (bytes, reversed) in [(bytes.to_vec(), false), (backwards, true)] {
            let needle = self.needles.len() as u32;
            for offset in (0..=bytes.len() - ANCHOR).step_by(STRIDE) {
                let anchor = differences(&bytes[offset..]);
                if varied(anchor) {
                    let hash = hash(anchor);
                    self.filter[hash >> 6] |= 1 << (hash & 63);
                    self.anchors.push((anchor, needle, offset as u32));
                }
            }
            self.needles.push(Needle {
                canary,
                bytes,
                reversed,
            });
        }
    }

    /// The first match of each canary that is not `done` yet, which is marked then.
    pub(super) fn search(&self, text: &[u8], done: &mut [bool]) -> Vec<Found> {
        let mut found = Vec::new();
        for (at, window) in text.windows(ANCHOR).enumerate() {
            let anchor = differences(window);
            let hash = hash(anchor);
            if self.filter[hash >> 6] & (1 << (hash & 63)) == 0 {
                continue;
            }
            let first = self.anchors.partition_point(|entry| entry.0 < anchor);
            for &(_, needle, offset) in self.anchors[first..].iter().take_while(|e| e.0 == anchor) {
                let needle = &self.needles[needle as usize];
                if !done[needle.canary]
                    && let Some(hit) = extend(text, at, needle, offset as usize)
                {
                    done[needle.canary] = true;
                    found.push(hit);
                }
            }
        }
        found
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

/// Grows an anchor's match in both directions; `None` if it stays too short to prove anything.
fn extend(text: &[u8], at: usize, needle: &Needle, offset: usize) -> Option<Found> {
    let key = text[at] ^ needle.bytes[offset];
    let before = text[..at]
        .iter()
        .rev()
        .zip(needle.bytes[..offset].iter().rev())
        .take_while(|(text, secret)| **text ^ key == **secret)
        .count();
    let after = text[at..]
        .iter()
        .zip(&needle.bytes[offset..])
        .take_while(|(text, secret)| **text ^ key == **secret)
        .count();
    let matched = &needle.bytes[offset - before..offset + after];
    let whole = matched.len() == needle.bytes.len();
    if !whole && (matched.len() < PARTIAL || !is_distinctive(matched, needle.reversed)) {
        return None;
    }
    Some(Found {
        canary: needle.canary,
        reversed: needle.reversed,
        key,
        start: at - before,
        end: at + after,
    })
}

/// Whether a part of a secret can only come from that secret.
fn is_distinctive(part: &[u8], reversed: bool) -> bool {
    let mut seen = [false; 256];
    part.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    if seen.iter().filter(|seen| **seen).count() < DISTINCT {
        return false;
    }
    let mut part: Vec<u8> = part
        .iter()
        .filter(|b| !b.is_ascii_whitespace())
        .copied()
        .collect();
    if reversed {
        part.reverse();
    }
    // What is left beside boilerplate must be long enough by itself.
    let known = BOILERPLATE
        .iter()
        .map(|known| overlap(&part, known.as_bytes()))
        .sum::<usize>();
    part.len().saturating_sub(known) >= PARTIAL
}

/// How many bytes of `part` are `known`, its beginning, its end or a piece of it.
fn overlap(part: &[u8], known: &[u8]) -> usize {
    let shortest = 8;
    (shortest..=known.len().min(part.len()))
        .rev()
        .find(|&length| {
            part.starts_with(&known[known.len() - length..])
                || part.ends_with(&known[..length])
                || (length == known.len() && part.windows(length).any(|w| w == known))
                || (length == part.len() && known.windows(length).any(|w| w == part))
        })
        .unwrap_or(0)
}

/// The seven XOR differences between eight neighbouring bytes.
fn differences(window: &[u8]) -> u64 {
    let mut eight = [0; ANCHOR];
    eight.copy_from_slice(&window[..ANCHOR]);
    let word = u64::from_le_bytes(eight);
    (word ^ (word >> 8)) & 0x00FF_FFFF_FFFF_FFFF
}

/// Whether an anchor is more than a run of one or two repeated bytes.
fn varied(anchor: u64) -> bool {
    let bytes = anchor.to_le_bytes();
    bytes[..7].iter().filter(|byte| **byte != bytes[0]).count() >= 2
}

fn hash(anchor: u64) -> usize {
    (anchor.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - FILTER_BITS)) as usize
}
