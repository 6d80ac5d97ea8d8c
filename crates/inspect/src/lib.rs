//! Reads a package's code without running it.
//!
//! [`inspect`] parses what it can, follows values through the package (where they come from, what they end up
//! in, when that happens), unwraps code inside of code, and asks every rule. A rule is one file below `rules/`;
//! [`rules_markdown`] lists them for people. Nothing is run, nothing is written, nothing panics on hostile
//! bytes; what could not be read is said in [`Inspection::incomplete`] or counted in [`Inspection::coverage`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod act;
mod flow;
mod ir;
mod lang;
mod manifest;
mod package;
mod rules;
mod text;

use std::io;
use std::time::Duration;

use apa_archive::{Archive, EntryKind};
use apa_model::{ArtifactKind, Digest, Finding, Hostile, Incomplete, IncompleteCode, Phase};
use serde::{Deserialize, Serialize};

use package::{Package, SourceFile};

/// Stack of the thread that reads one package, bytes. Only what is used of it takes memory.
const STACK: usize = 256 << 20;
/// Most gaps named one by one.
const MAX_GAPS: usize = 50;

/// How much of a package's code was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Regular files in the archive.
    pub files: u64,
    /// Bytes of source code in languages that are followed.
    pub code_bytes: u64,
    /// How many of them were.
    pub read_bytes: u64,
    /// What was not looked into, and why; machine code above all. At most 50.
    pub gaps: Vec<CoverageGap>,
}

/// A file that was not looked into, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageGap {
    /// Where.
    pub path: Hostile,
    /// In words.
    pub why: Hostile,
}

/// What reading an artifact told.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// What the rules found, gravest first.
    pub findings: Vec<Finding>,
    /// How much was read.
    pub coverage: Coverage,
    /// Code that should have been read and was not.
    pub incomplete: Vec<Incomplete>,
    /// Processor time it took.
    pub cpu: Duration,
}

/// Reads an artifact of this kind and hash.
///
/// # Errors
/// When the system gives no thread to read it on.
pub fn inspect(archive: &Archive, kind: ArtifactKind, sha256: &Digest) -> io::Result<Inspection> {
    let files = files(archive, kind);
    let count = files.len() as u64;
    let reader = std::thread::Builder::new()
        .name("inspect".into())
        .stack_size(STACK);
    std::thread::scope(|scope| {
        let reading = reader.spawn_scoped(scope, || inspect_files(files, count, sha256))?;
        // A panic in a parser is that parser's defeat, not the end of the analysis.
        Ok(reading.join().unwrap_or_else(|_| Inspection {
            incomplete: vec![unread("a parser gave up on this package".into())],
            ..Inspection::default()
        }))
    })
}

fn inspect_files(files: Vec<SourceFile>, count: u64, sha256: &Digest) -> Inspection {
    let package = Package::read(files);
    let mut incomplete: Vec<Incomplete> = package
        .gaps
        .iter()
        .filter(|gap| gap.code)
        .take(MAX_GAPS)
        .map(|gap| {
            unread(
                format!(
                    "{} was not read: {}",
                    Hostile::from(gap.path.as_str()),
                    gap.why
                )
                .into(),
            )
        })
        .collect();
    incomplete.extend(
        package
            .flow
            .gave_up
            .map(|why| unread(format!("not all code was followed: {why}").into())),
    );
    let gaps = package.gaps.iter().take(MAX_GAPS).map(|gap| CoverageGap {
        path: gap.path.as_str().into(),
        why: gap.why.as_str().into(),
    });
    Inspection {
        findings: rules::check(&package, sha256),
        coverage: Coverage {
            files: count,
            code_bytes: package.read.1,
            read_bytes: package.read.0,
            gaps: gaps.collect(),
        },
        incomplete,
        cpu: thread_cpu(),
    }
}

/// Processor time that the calling thread has taken so far.
pub fn thread_cpu() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    // A kernel without this clock costs a figure, nothing else.
    nix::time::clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

fn unread(detail: Hostile) -> Incomplete {
    Incomplete {
        code: IncompleteCode::CodeUnread,
        phase: Some(Phase::Static),
        detail,
    }
}

/// Regular files, named below the folder that everything of a source archive lies in. Of several with one
/// name the last counts: that is the one an extraction leaves.
fn files(archive: &Archive, kind: ArtifactKind) -> Vec<SourceFile> {
    let top = match kind {
        ArtifactKind::Wheel => None,
        _ => archive.strip_top(),
    };
    let mut by_path = std::collections::BTreeMap::new();
    for entry in archive
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File)
    {
        // What would land elsewhere is read under the name it has.
        let path = entry
            .safe_path
            .clone()
            .unwrap_or_else(|| entry.path.lossy().into_owned());
        let path = match &top {
            Some(top) => path
                .strip_prefix(&format!("{top}/"))
                .unwrap_or(&path)
                .to_owned(),
            None => path,
        };
        by_path.insert(path, entry.bytes.clone());
    }
    by_path
        .into_iter()
        .map(|(path, bytes)| SourceFile { path, bytes })
        .collect()
}

/// The page about all rules, in Markdown.
pub fn rules_markdown() -> String {
    rules::markdown()
}
