use std::collections::HashMap;

use apa_archive::{Archive, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::signature::{Keys, Signature};
use crate::{ApkError, Dependency, Integrity, Provided};

/// Most packages of one index.
const MOST: usize = 200_000;
/// Longest line of an index that is read, bytes.
const LINE: usize = 1 << 20;

/// One package of an index. What it does not say is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `P`
    pub name: String,
    /// `V`
    pub version: String,
    /// `A`
    pub arch: String,
    /// `C`: SHA-1 of the packed control member.
    pub checksum: Option<[u8; 20]>,
    /// `S`: bytes of the file.
    pub size: Option<u64>,
    /// `o`: name of the source package.
    pub origin: Option<String>,
    /// `m`
    pub maintainer: Option<String>,
    /// `t`: when it was built, seconds since 1970.
    pub built: Option<i64>,
    /// `c`: the commit it was built from.
    pub commit: Option<String>,
    /// `D`
    pub depends: Vec<Dependency>,
    /// `p`
    pub provides: Vec<Provided>,
    /// `i`: installed by itself when all of these are.
    pub install_if: Vec<Dependency>,
    /// `k`: of several providers the highest is taken.
    pub priority: u32,
}

impl Record {
    /// Name of its file below `{repository}/{arch}/`.
    pub fn filename(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    /// Whether a package is the one described here and is whole.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn check(&self, package: &Integrity) -> Result<(), &'static str> {
        if self.checksum.is_some() && self.checksum != package.control_sha1 {
            Err("its control section is not the one that the index describes")
        } else if package.is_broken() {
            Err("its bytes are not those that were signed")
        } else {
            Ok(())
        }
    }

    /// Whether it is, or provides, what is asked for.
    pub fn satisfies(&self, wanted: &Dependency) -> bool {
        (self.name == wanted.name && wanted.accepts(Some(&self.version)))
            || self.provides.iter().any(|provided| {
                provided.name == wanted.name && wanted.accepts(provided.version.as_deref())
            })
    }
}

/// An index with its packages by name and by what they provide.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// In the order of the file.
    pub records: Vec<Record>,
    /// Records that could not be read, or came after the limit.
    pub unread: usize,
    by_name: HashMap<String, Vec<usize>>,
}

impl Index {
    /// Reads `APKINDEX.tar.gz`, and whether it is signed.
    ///
    /// # Errors
    /// When it is no archive, damaged, or holds no index. A signature that does not fit is no error.
    pub fn read(bytes: &[u8], keys: &Keys) -> Result<(Self, Signature), ApkError> {
        // Indexes are small files of text that pack well, and come from the registry the user chose.
        let limits = Limits {
            ratio: 2_000,
            ..Limits::default()
        };
        let archive = apa_archive::read_bytes(bytes, "APKINDEX.tar.gz", &limits)?;
        if !archive.complete {
            let why = archive
                .anomalies
                .first()
                .map(|anomaly| anomaly.kind.clone());
            return Err(ApkError::Incomplete(why.unwrap_or_default()));
        }
        let text = archive.file("APKINDEX").ok_or(ApkError::NoIndex)?;
        let signature = signature(bytes, &archive, keys);
        Ok((
            Self::parse(&String::from_utf8_lossy(&text.bytes)),
            signature,
        ))
    }

    /// Reads the text of an index: records separated by empty lines, a letter and a value on each line.
    pub fn parse(text: &str) -> Self {
        let mut index = Self::default();
        for block in text.split("\n\n") {
            let record = record(block);
            match record {
                Some(record) if index.records.len() < MOST => index.add(record),
                Some(_) => index.unread += 1,
                None if block.trim().is_empty() => {}
                None => index.unread += 1,
            }
        }
        index
    }

    /// Adds the packages of another repository.
    pub fn merge(&mut self, other: Self) {
        self.unread += other.unread;
        for record in other.records {
            if self.records.len() < MOST {
                self.add(record);
            } else {
                self.unread += 1;
            }
        }
    }

    fn add(&mut self, record: Record) {
        let at = self.records.len();
        let provided = record.provides.iter().map(|provided| &provided.name);
        for name in std::iter::once(&record.name).chain(provided) {
            let places = self.by_name.entry(name.clone()).or_default();
            if places.last() != Some(&at) {
                places.push(at);
            }
        }
        self.records.push(record);
    }

    /// Versions of the package with exactly this name, in the order of the file.
    pub fn versions<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Record> {
        self.candidates(name)
            .filter(move |record| record.name == name)
    }

    /// Whatever is called so or provides it.
    pub fn candidates(&self, name: &str) -> impl Iterator<Item = &Record> {
        let places = self.by_name.get(name);
        places.into_iter().flatten().map(|at| &self.records[*at])
    }
}

/// The signature is over everything after its own gzip member.
fn signature(bytes: &[u8], archive: &Archive, keys: &Keys) -> Signature {
    let Some(part) = archive.part("signature") else {
        return Signature::Unsigned;
    };
    let end = usize::try_from(part.offset + part.length).unwrap_or(usize::MAX);
    let signed = bytes.get(end..).unwrap_or_default();
    Signature::check(archive, part, signed, keys)
}

fn record(block: &str) -> Option<Record> {
    let mut record = Record::default();
    for line in block.lines().filter(|line| line.len() <= LINE) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match key {
            "P" => record.name = value.to_owned(),
            "V" => record.version = value.to_owned(),
            "A" => record.arch = value.to_owned(),
            "C" => record.checksum = checksum(value),
            "S" => record.size = value.parse().ok(),
            "o" => record.origin = text(),
            "m" => record.maintainer = text(),
            "t" => record.built = value.parse().ok(),
            "c" => record.commit = text(),
            "D" => record.depends = Dependency::parse_all(value),
            "p" => record.provides = Provided::parse_all(value),
            "i" => record.install_if = Dependency::parse_all(value),
            "k" => record.priority = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    (!record.name.is_empty() && !record.version.is_empty()).then_some(record)
}

/// `Q1` and the base64 of a SHA-1.
fn checksum(text: &str) -> Option<[u8; 20]> {
    let digest = STANDARD.decode(text.strip_prefix("Q1")?).ok()?;
    digest.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
C:Q1AgQ1mLJh+bPJ5ltNmrrxKBFTAuA=
P:busybox
V:1.37.0-r12
A:x86_64
S:513066
I:955392
T:Size optimized toolbox
U:https://busybox.test/
L:GPL-2.0-only
o:busybox
m:A Person <a@example.test>
t:1739000000
c:0123456789abcdef0123456789abcdef01234567
k:10
D:so:libc.musl-x86_64.so.1 !old<2
p:/bin/sh cmd:sh=1.37.0-r12
i:a b>=1

P:busybox
V:1.36.1-r0

nonsense without a name

P:without-version
";

    #[test]
    fn records_are_read_field_by_field() {
        let index = Index::parse(TEXT);
        assert_eq!((index.records.len(), index.unread), (2, 2));
        let first = &index.records[0];
        assert_eq!(first.filename(), "busybox-1.37.0-r12.apk");
        assert_eq!(first.built, Some(1_739_000_000));
        assert!(first.checksum.is_some() && first.depends[1].conflict);
        assert_eq!((first.priority, first.install_if.len()), (10, 2));
        assert_eq!(index.versions("busybox").count(), 2);
        assert_eq!(index.candidates("/bin/sh").count(), 1);
        assert!(first.satisfies(&Dependency::parse("cmd:sh>1.36").unwrap()));
        assert!(!first.satisfies(&Dependency::parse("/bin/sh>1").unwrap()));
    }

    proptest! {
        #[test]
        fn any_text_is_an_index(text in "(?s).{0,200}") {
            let _ = Index::parse(&text);
        }

        #[test]
        fn any_bytes_give_an_answer(bytes: Vec<u8>) {
            let _ = Index::read(&bytes, &Keys::default());
        }
    }
}
