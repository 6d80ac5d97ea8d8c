//! What runs a program: the kernel by itself, or an interpreter of this machine.

use std::path::Path;

use apa_archive::Archive;
use apa_model::Anomaly;

/// How a program is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// By its own path: machine code, or a script whose first line names an interpreter that is here.
    Itself,
    /// By this interpreter, with the path as its argument.
    With(String),
    /// Not at all, for this reason.
    Not(String),
}

/// Interpreters by the end of a script's name.
const BY_NAME: [(&str, &str); 11] = [
    (".sh", "/bin/sh"),
    (".bash", "/bin/bash"),
    (".py", "/usr/bin/python3"),
    (".js", "/usr/bin/node"),
    (".cjs", "/usr/bin/node"),
    (".mjs", "/usr/bin/node"),
    (".rb", "/usr/bin/ruby"),
    (".pl", "/usr/bin/perl"),
    (".php", "/usr/bin/php"),
    (".phar", "/usr/bin/php"),
    (".lua", "/usr/bin/lua"),
];

/// How to start a program of this name and content.
pub(super) fn start(name: &str, bytes: &[u8]) -> Start {
    if bytes.starts_with(b"\x7fELF") {
        return machine_code(bytes);
    }
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return by_first_line(&String::from_utf8_lossy(line));
    }
    let lower = name.to_ascii_lowercase();
    match BY_NAME.iter().find(|(end, _)| lower.ends_with(end)) {
        Some((_, program)) if Path::new(program).exists() => Start::With((*program).to_owned()),
        Some((_, program)) => Start::Not(format!("{program} is needed to run it and is not here")),
        None => Start::Not("nothing tells what runs it".to_owned()),
    }
}

fn by_first_line(line: &str) -> Start {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    let base = first.rsplit('/').next().unwrap_or(first);
    let program = match base {
        "env" => words
            .find(|word| !word.starts_with('-') && !word.contains('='))
            .unwrap_or_default(),
        base => base,
    };
    if Path::new(first).exists() && base != "env" {
        return Start::Itself;
    }
    // A script may name a place where its interpreter is not, or look for one on the path.
    let found = ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .map(|folder| format!("{folder}/{program}"))
        .find(|path| !program.is_empty() && Path::new(path).exists());
    match found {
        Some(_) if base == "env" && Path::new(first).exists() => Start::Itself,
        Some(path) => Start::With(path),
        None => Start::Not(format!(
            "{} is needed to run it and is not here",
            crate::text::to_plain(program)
        )),
    }
}

/// Machine code runs here when it was made for this kernel and processor.
fn machine_code(bytes: &[u8]) -> Start {
    const X86_64: u16 = 62;
    let half = |at: usize| {
        bytes
            .get(at..at + 2)
            .map(|two| u16::from_le_bytes([two[0], two[1]]))
    };
    match (bytes.get(4), bytes.get(5), half(16), half(18)) {
        (Some(2), Some(1), Some(2 | 3), Some(X86_64)) => Start::Itself,
        (Some(2), Some(1), Some(_), Some(X86_64)) => {
            Start::Not("it is machine code but no program (an object or core file)".to_owned())
        }
        (Some(1), ..) => Start::Not("it is a 32-bit program, which the sandbox refuses".to_owned()),
        _ => Start::Not("it is a program for another processor".to_owned()),
    }
}

/// Why a file that is a program cannot be run here.
pub(super) fn unrunnable(archive: &Archive) -> Option<Anomaly> {
    let entry = archive.entries.first()?;
    match start(&entry.path.lossy(), &entry.bytes) {
        Start::Not(why) => Some(Anomaly {
            kind: "cannot-run".to_owned(),
            path: entry.path.clone(),
            detail: why.into(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, kind: u16, machine: u16) -> Vec<u8> {
        let mut bytes = b"\x7fELF".to_vec();
        bytes.extend([class, 1, 1]);
        bytes.resize(16, 0);
        bytes.extend(kind.to_le_bytes());
        bytes.extend(machine.to_le_bytes());
        bytes
    }

    #[test]
    fn what_the_kernel_would_refuse_is_said_beforehand() {
        assert_eq!(start("a", &elf(2, 3, 62)), Start::Itself);
        assert_eq!(start("a", b"#!/bin/sh\n"), Start::Itself);
        assert_eq!(start("a", b"#!/usr/bin/env sh\n"), Start::Itself);
        assert_eq!(start("a.SH", b"exit 0\n"), Start::With("/bin/sh".into()));
        assert_eq!(
            start("a", b"#!/opt/none/bin/sh -e\n"),
            Start::With("/usr/bin/sh".into())
        );
        for bytes in [
            &elf(1, 2, 3)[..],
            &elf(2, 2, 183),
            &elf(2, 1, 62),
            b"\x7fELF",
            b"#!",
            b"#!/no/such\n",
            b"text",
        ] {
            assert!(matches!(start("a", bytes), Start::Not(_)), "{bytes:?}");
        }
    }
}
