use apa_model::{Ecosystem, Hostile, PackageRef};
use base64::Engine as _;

use crate::{Kind, Listing, MAX_ENTRIES};

/// Longest name, reason or place that is kept, bytes.
const LONGEST: usize = 300;
/// Most hashes of one entry; a release of a Python package with many wheels has about a hundred.
const HASHES: usize = 500;
/// Most gaps that are listed.
const GAPS: usize = 100;

/// One line, table or element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it names.
    pub subject: Subject,
    /// Where in the file: a key, a line, an id.
    pub at: Hostile,
    /// Asked for by the project itself; `None`: the file does not say.
    pub direct: Option<bool>,
    /// Only needed to develop or test the project.
    pub dev: bool,
    /// The project works without it.
    pub optional: bool,
    /// What the file's bytes must hash to; one of them. Empty: the list does not say.
    pub hashes: Vec<Hash>,
}

/// What an entry names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A package of a registry, with an exact version unless the list has none.
    Package(PackageRef),
    /// Something that no registry can be asked for.
    Other {
        /// As the list names it.
        name: Hostile,
        /// Why it cannot be analysed.
        reason: Hostile,
        /// Nothing is missed by leaving it out: it is the project's own, or analysed under another name.
        covered: bool,
    },
}

/// How a hash was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// A hash of a package's file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash {
    /// How it was made.
    pub algorithm: Algorithm,
    /// In lower-case hexadecimal.
    pub hex: String,
}

impl Hash {
    /// `sha256` or `SHA-256`, with the digest in hexadecimal.
    pub(crate) fn hex(algorithm: &str, digest: &str) -> Option<Self> {
        let algorithm = match algorithm.to_ascii_lowercase().replace('-', "").as_str() {
            "sha1" => Algorithm::Sha1,
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return None,
        };
        let length = match algorithm {
            Algorithm::Sha1 => 40,
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        };
        let right = digest.len() == length && digest.bytes().all(|b| b.is_ascii_hexdigit());
        right.then(|| Self {
            algorithm,
            hex: digest.to_ascii_lowercase(),
        })
    }

    /// `sha256:HEX`.
    pub(crate) fn with_colon(text: &str) -> Option<Self> {
        let (algorithm, digest) = text.split_once(':')?;
        Self::hex(algorithm, digest)
    }

    /// Subresource integrity: `sha512-BASE64`, several separated by blanks.
    pub(crate) fn integrity(text: &str) -> Vec<Self> {
        let one = |part: &str| {
            let (algorithm, digest) = part.split_once('-')?;
            let digest = digest.split('?').next()?;
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(digest)
                .ok()?;
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Self::hex(algorithm, &hex)
        };
        text.split_ascii_whitespace()
            .take(8)
            .filter_map(one)
            .collect()
    }
}

impl Entry {
    /// A package of a registry; listed as not analysable when the name or version is none that `ecosystem` allows.
    pub(crate) fn package(ecosystem: Ecosystem, name: &str, version: &str) -> Self {
        let subject = match PackageRef::new(ecosystem, name, Some(version)) {
            Ok(package) => Subject::Package(package),
            Err(error) => other(name, &error.to_string(), false),
        };
        Self::new(subject)
    }

    /// Something that no registry can be asked for.
    pub(crate) fn other(name: &str, reason: &str) -> Self {
        Self::new(other(name, reason, false))
    }

    /// Something whose absence from the analysis leaves no gap.
    pub(crate) fn covered(name: &str, reason: &str) -> Self {
        Self::new(other(name, reason, true))
    }

    pub(crate) fn new(subject: Subject) -> Self {
        Self {
            subject,
            at: Hostile::default(),
            direct: None,
            dev: false,
            optional: false,
            hashes: Vec::new(),
        }
    }

    pub(crate) fn at(mut self, place: &str) -> Self {
        self.at = Hostile::from(place).shortened(LONGEST);
        self
    }

    pub(crate) fn direct(mut self, direct: impl Into<Option<bool>>) -> Self {
        self.direct = direct.into();
        self
    }

    pub(crate) fn dev(mut self, dev: bool) -> Self {
        self.dev = dev;
        self
    }

    pub(crate) fn optional(mut self, optional: bool) -> Self {
        self.optional = optional;
        self
    }

    pub(crate) fn hashes(mut self, hashes: impl IntoIterator<Item = Hash>) -> Self {
        self.hashes.extend(hashes.into_iter().take(HASHES));
        self
    }
}

fn other(name: &str, reason: &str, covered: bool) -> Subject {
    Subject::Other {
        name: Hostile::from(name).shortened(LONGEST),
        reason: Hostile::from(reason).shortened(LONGEST),
        covered,
    }
}

/// A listing in the making, within its limits.
pub(crate) struct Draft {
    entries: Vec<Entry>,
    gaps: Vec<Hostile>,
    full: bool,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            gaps: Vec::new(),
            full: false,
        }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push(entry);
        } else if !std::mem::replace(&mut self.full, true) {
            self.gap(&format!(
                "more than {MAX_ENTRIES} entries; the rest is not listed"
            ));
        }
    }

    /// Records that the list is not whole.
    pub(crate) fn gap(&mut self, text: &str) {
        if self.gaps.len() < GAPS {
            self.gaps.push(Hostile::from(text).shortened(LONGEST));
        }
    }

    pub(crate) fn finish(self, kind: Kind) -> Listing {
        Listing {
            kind,
            entries: self.entries,
            gaps: self.gaps,
        }
    }
}
