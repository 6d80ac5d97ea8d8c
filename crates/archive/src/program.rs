//! Files that are no archive: programs that can be run, and kinds that are known by name only.

use std::io::Read;

use crate::collect::{Collector, Head};
use crate::meter::Meter;
use crate::tar;
use crate::tree::EntryKind;

/// Ends of file names that interpreters' scripts have.
const SCRIPTS: [&str; 11] = [
    ".sh", ".bash", ".py", ".js", ".cjs", ".mjs", ".rb", ".pl", ".php", ".phar", ".lua",
];

/// Whether a file is a program: machine code, a script with its interpreter in the first line, or one by its name.
pub(crate) fn is_program(start: &[u8], name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let text = !start.contains(&0) && !start.is_empty();
    start.starts_with(b"\x7fELF")
        || start.starts_with(b"#!")
        || text && SCRIPTS.iter().any(|end| lower.ends_with(end))
}

/// What a file is that nothing here can open or run.
pub(crate) fn known_as(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 13] = [
        (
            b"MZ",
            "a Windows program (.exe, .dll), which cannot be run here",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "a Windows installer or document (.msi, .doc), which cannot be run here",
        ),
        (
            b"MSCF",
            "a Windows cabinet (.cab), which cannot be run here",
        ),
        (
            b"\xed\xab\xee\xdb",
            "an RPM package, which is not supported",
        ),
        (
            b"\xcf\xfa\xed\xfe",
            "a macOS program, which cannot be run here",
        ),
        (b"\xfe\xed\xfa", "a macOS program, which cannot be run here"),
        (
            b"\xca\xfe\xba\xbe",
            "a Java class or a macOS program; give the .jar it belongs to",
        ),
        (
            b"ADB",
            "an Alpine package of format version 3, which is not supported",
        ),
        (
            b"7z\xbc\xaf\x27\x1c",
            "a 7z archive, which is not supported",
        ),
        (b"Rar!", "a RAR archive, which is not supported"),
        (b"\xfd7zXZ\0", "xz data, which is not supported by itself"),
        (b"BZh", "bzip2 data, which is not supported"),
        (
            b"\x28\xb5\x2f\xfd",
            "zstd data, which is not supported by itself",
        ),
    ];
    let found = KINDS.iter().find(|(magic, _)| start.starts_with(magic));
    found.map(|(_, name)| *name)
}

/// Takes the whole file as the only entry.
pub(crate) fn read(file: &mut impl Read, name: &str, meter: &Meter<'_>, out: &mut Collector<'_>) {
    let content = out.read(&mut meter.watch(file, || u64::MAX));
    if let Some(error) = &content.error {
        tar::report(out, name.as_bytes(), error);
    }
    let base = name.rsplit('/').next().unwrap_or(name);
    let head = Head {
        path: base.as_bytes().to_vec(),
        kind: EntryKind::File,
        mode: 0o755,
        records: Vec::new(),
        offset: 0,
    };
    out.add(head, Some(content));
}
