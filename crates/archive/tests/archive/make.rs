//! Archives made byte by byte, also such as no library would make.

use std::io::Write;

use apa_archive::{Archive, Limits, read_bytes};

/// One tar header with its content.
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn file(name: &str, data: &str) -> Member {
    Member {
        name: name.into(),
        kind: b'0',
        link: Vec::new(),
        mode: 0o644,
        data: data.into(),
    }
}

pub(crate) fn of_kind(kind: u8, name: &str, link: &str) -> Member {
    Member {
        kind,
        link: link.into(),
        ..file(name, "")
    }
}

pub(crate) fn tar_without_end(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..member.name.len()].copy_from_slice(&member.name);
        header.as_old_mut().linkname[..member.link.len()].copy_from_slice(&member.link);
        header.set_mode(member.mode);
        header.set_size(member.data.len() as u64);
        header.set_entry_type(tar::EntryType::new(member.kind));
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(&member.data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out
}

pub(crate) fn tar(members: &[Member]) -> Vec<u8> {
    let mut out = tar_without_end(members);
    out.resize(out.len() + 1024, 0);
    out
}

/// An extended header that sets `key` for the next member.
pub(crate) fn pax(key: &str, value: &[u8]) -> Member {
    let mut length = key.len() + value.len() + 3;
    while length != key.len() + value.len() + 3 + length.to_string().len() {
        length = key.len() + value.len() + 3 + length.to_string().len();
    }
    let mut data = format!("{length} {key}=").into_bytes();
    data.extend_from_slice(value);
    data.push(b'\n');
    Member {
        data,
        ..of_kind(b'x', "pax", "")
    }
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// One zip entry; local and central name may differ.
pub(crate) struct ZipMember {
    pub(crate) local: String,
    pub(crate) central: String,
    pub(crate) data: Vec<u8>,
    pub(crate) stated: Option<u32>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) mode: u32,
    pub(crate) crc: Option<u32>,
}

pub(crate) fn zip_file(name: &str, data: &str) -> ZipMember {
    ZipMember {
        local: name.into(),
        central: name.into(),
        data: data.into(),
        stated: None,
        method: 0,
        flags: 0,
        mode: 0o100_644,
        crc: None,
    }
}

pub(crate) fn zip(members: &[ZipMember]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        let offset = out.len() as u32;
        let packed = match member.method {
            8 => {
                let mut encoder =
                    flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(&member.data).unwrap();
                encoder.finish().unwrap()
            }
            _ => member.data.clone(),
        };
        let mut crc = flate2::Crc::new();
        crc.update(&member.data);
        let size = member.stated.unwrap_or(member.data.len() as u32);
        let mut common = Vec::new();
        for value in [20, member.flags, member.method, 0, 0] {
            common.extend_from_slice(&value.to_le_bytes());
        }
        for value in [member.crc.unwrap_or(crc.sum()), packed.len() as u32, size] {
            common.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(&(member.local.len() as u16).to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(member.local.as_bytes());
        out.extend_from_slice(&packed);
        directory.extend_from_slice(b"PK\x01\x02\x14\x03");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&(member.central.len() as u16).to_le_bytes());
        directory.extend_from_slice(&[0; 8]);
        directory.extend_from_slice(&(member.mode << 16).to_le_bytes());
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(member.central.as_bytes());
    }
    let start = out.len() as u32;
    let count = (members.len() as u16).to_le_bytes();
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count);
    out.extend_from_slice(&count);
    out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

pub(crate) fn read(bytes: &[u8]) -> Archive {
    read_bytes(bytes, "test", &Limits::default()).unwrap()
}

pub(crate) fn kinds(archive: &Archive) -> Vec<&str> {
    archive
        .anomalies
        .iter()
        .map(|anomaly| anomaly.kind.as_str())
        .collect()
}

pub(crate) fn names(archive: &Archive) -> Vec<String> {
    archive
        .entries
        .iter()
        .map(|entry| entry.path.to_string())
        .collect()
}

/// The archive has this one anomaly, every member was listed, and `last` can still be read.
#[track_caller]
pub(crate) fn assert_odd(bytes: &[u8], kind: &str, complete: bool) -> Archive {
    let archive = read(bytes);
    assert_eq!(kinds(&archive), [kind]);
    assert_eq!(archive.complete, complete, "complete");
    assert_eq!(&*archive.file("last").expect("last").bytes, b"end");
    archive
}
