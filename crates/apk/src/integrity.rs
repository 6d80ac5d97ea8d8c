use apa_archive::{Archive, EntryKind};
use apa_model::{Anomaly, Hostile};
use sha1::{Digest as _, Sha1};

use crate::package::Package;
use crate::signature::{Keys, Signature};

/// The PAX record that holds a file's SHA-1, hexadecimal.
const SUM: &str = "APK-TOOLS.checksum.SHA1";
/// Most wrong sums that are named.
const MOST_NAMED: usize = 20;

/// Whether a package's bytes are those that were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrity {
    /// Of the control member.
    pub signature: Signature,
    /// SHA-1 of the packed control member, by which an index knows the package.
    pub control_sha1: Option<[u8; 20]>,
    /// Whether the data is what the control member says; `None`: it says nothing.
    pub data: Option<bool>,
    /// Files whose sum is another than stated.
    pub wrong_sums: Vec<Hostile>,
    /// How many there are, named or not.
    pub wrong: usize,
    /// Regular files without a sum of their own.
    pub without_sum: usize,
}

impl Integrity {
    /// Whether something contradicts what was signed or stated.
    pub fn is_broken(&self) -> bool {
        matches!(self.signature, Signature::Bad(_)) || self.data == Some(false) || self.wrong > 0
    }

    /// What is to be told, as oddities of the package.
    pub fn anomalies(&self) -> Vec<Anomaly> {
        let mut told = Vec::new();
        match &self.signature {
            Signature::Valid(_) => {}
            Signature::Unsigned => told.push(anomaly("unsigned", "", "no signature".into())),
            Signature::UnknownKey(key) => {
                let detail = [
                    b"signed with a key that is not known here: ",
                    key.as_bytes(),
                ];
                told.push(anomaly("unknown-key", "", Hostile::new(detail.concat())));
            }
            Signature::Bad(key) => {
                let detail = format!("the signature by {key} does not fit the control section");
                told.push(anomaly("bad-signature", "", detail.into()));
            }
        }
        match self.data {
            Some(true) => {}
            Some(false) => {
                let detail = "the data section is not the one that the control section states";
                told.push(anomaly("data-hash-mismatch", ".PKGINFO", detail.into()));
            }
            None => {
                let detail = "the control section states no hash of the data";
                told.push(anomaly("no-data-hash", ".PKGINFO", detail.into()));
            }
        }
        for path in &self.wrong_sums {
            let mut wrong = anomaly("file-hash-mismatch", "", "its sum is another".into());
            wrong.path = path.clone();
            told.push(wrong);
        }
        if self.without_sum > 0 {
            let detail = format!("{} files have no sum", self.without_sum);
            told.push(anomaly("no-file-hash", "", detail.into()));
        }
        told
    }
}

fn anomaly(kind: &str, path: &str, detail: Hostile) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: path.into(),
        detail,
    }
}

/// Checks signature, hash of the data, and the sum of every file.
pub fn verify(archive: &Archive, keys: &Keys) -> Integrity {
    let control = archive.part("control");
    let raw = control.and_then(|part| part.raw.as_deref());
    let signature = match (archive.part("signature"), raw) {
        (Some(part), Some(raw)) => Signature::check(archive, part, raw, keys),
        _ => Signature::Unsigned,
    };
    let stated = Package::read(archive).and_then(|package| package.info.data_hash);
    let data: Vec<_> = archive
        .parts
        .iter()
        .filter(|part| part.name.as_bytes() == b"data")
        .collect();
    let mut integrity = Integrity {
        signature,
        control_sha1: raw.map(|raw| Sha1::digest(raw).into()),
        // A second data section is not what was hashed.
        data: stated.map(|stated| matches!(data[..], [only] if only.sha256 == stated)),
        wrong_sums: Vec::new(),
        wrong: 0,
        without_sum: 0,
    };
    for entry in data
        .iter()
        .filter_map(|part| archive.entries.get(part.entries.clone()))
        .flatten()
        .filter(|entry| entry.kind == EntryKind::File && entry.kept)
    {
        match entry.record(SUM) {
            None => integrity.without_sum += 1,
            Some(sum) if sum.lossy() == hex(&Sha1::digest(&entry.bytes)) => {}
            Some(_) => {
                integrity.wrong += 1;
                if integrity.wrong_sums.len() < MOST_NAMED {
                    integrity.wrong_sums.push(entry.path.clone());
                }
            }
        }
    }
    integrity
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
