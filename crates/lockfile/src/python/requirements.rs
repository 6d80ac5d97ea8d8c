//! pip's requirements files, as pip reads them: joined lines, comments, included files, markers, hashes.

use std::collections::HashSet;

use apa_model::Ecosystem;

use super::{Place, elsewhere};
use crate::Files;
use crate::entry::{Draft, Entry, Hash};

/// Most files included, all levels together.
const FILES: usize = 50;
/// Deepest inclusion.
const DEPTH: usize = 8;

pub(crate) fn parse(text: &str, files: &mut dyn Files, out: &mut Draft) -> Result<(), String> {
    let mut reader = Reader {
        files,
        seen: HashSet::new(),
        out,
        constraints: false,
    };
    reader.file(text, "", 0);
    Ok(())
}

struct Reader<'a> {
    files: &'a mut dyn Files,
    /// Included files that were read; a second time says nothing new.
    seen: HashSet<String>,
    out: &'a mut Draft,
    /// Inside a list of constraints, which installs nothing by itself.
    constraints: bool,
}

impl Reader<'_> {
    /// `name` is the path of an included file, empty for the first.
    fn file(&mut self, text: &str, name: &str, depth: usize) {
        for (number, line) in logical_lines(text) {
            let place = match name {
                "" => format!("line {number}"),
                name => format!("{name} line {number}"),
            };
            self.line(line.trim(), name, &place, depth);
        }
    }

    fn line(&mut self, line: &str, name: &str, place: &str, depth: usize) {
        let option = |long: &str, short: &str| {
            let rest = line
                .strip_prefix(long)
                .or_else(|| line.strip_prefix(short))?;
            rest.starts_with([' ', '=', '\t'])
                .then(|| rest.trim_start_matches(['=', ' ', '\t']))
        };
        if line.is_empty() {
        } else if let Some(path) = option("--requirement", "-r") {
            self.include(path, name, place, depth, self.constraints);
        } else if let Some(path) = option("--constraint", "-c") {
            self.include(path, name, place, depth, true);
        } else if let Some(what) = option("--editable", "-e") {
            self.add(unregistered(what, what), place);
        } else if !line.starts_with('-') {
            self.add(requirement(line), place);
        }
    }

    fn add(&mut self, entry: Entry, place: &str) {
        // A constraint is a version that something else may ask for.
        let direct = if self.constraints { None } else { Some(true) };
        self.out.add(entry.at(place).direct(direct));
    }

    fn include(&mut self, path: &str, from: &str, place: &str, depth: usize, constraints: bool) {
        let path = path.trim_matches(['"', '\'']);
        let folder = from
            .rsplit_once('/')
            .map(|(folder, _)| format!("{folder}/"));
        let full = format!("{}{path}", folder.unwrap_or_default());
        if self.seen.contains(&full) {
            return;
        }
        if depth >= DEPTH || self.seen.len() >= FILES {
            return self.out.gap(&format!(
                "{place}: too many files are included; {full} was not read"
            ));
        }
        let Some(bytes) = self.files.read(&full) else {
            return self
                .out
                .gap(&format!("{place}: {full} is included but cannot be read"));
        };
        self.seen.insert(full.clone());
        let outer = std::mem::replace(&mut self.constraints, constraints);
        self.file(&crate::text::decode(&bytes), &full, depth + 1);
        self.constraints = outer;
    }
}

/// Lines with their number, joined where one ends in a backslash, without comments.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let comment = line.trim_start().starts_with('#');
        let (start, mut joined) = open.take().unwrap_or((number + 1, String::new()));
        let line = if comment { "" } else { line };
        match line.strip_suffix('\\') {
            Some(more) => {
                joined.push_str(more);
                open = Some((start, joined));
            }
            None => {
                joined.push_str(line);
                lines.push((start, without_comment(&joined)));
            }
        }
    }
    lines.extend(open.map(|(start, joined)| (start, without_comment(&joined))));
    lines
}

fn without_comment(line: &str) -> String {
    let end = [" #", "\t#"]
        .iter()
        .filter_map(|mark| line.find(mark))
        .min();
    line[..end.unwrap_or(line.len())].to_owned()
}

fn requirement(line: &str) -> Entry {
    let mut words = line.split_ascii_whitespace();
    let hashes: Vec<Hash> = words
        .clone()
        .filter_map(|word| word.strip_prefix("--hash="))
        .filter_map(Hash::with_colon)
        .collect();
    let spec: Vec<&str> = words
        .by_ref()
        .take_while(|word| !word.starts_with("--"))
        .collect();
    let spec = spec.join(" ");
    // An address may hold a semicolon; a marker follows one with a blank before it.
    let address = spec.contains("://") || spec.contains('@') || spec.starts_with(['.', '/']);
    let (spec, marker) = match spec.split_once(if address { " ;" } else { ";" }) {
        Some((spec, marker)) => (spec.trim(), Some(marker.trim())),
        None => (spec.trim(), None),
    };
    let entry = if let Some((name, place)) = spec.split_once('@') {
        unregistered(name.trim(), place.trim())
    } else if address || is_file(spec) {
        unregistered(spec, spec)
    } else {
        pinned(spec)
    };
    entry
        .optional(marker.is_some_and(|marker| marker.contains("extra")))
        .hashes(hashes)
}

fn is_file(spec: &str) -> bool {
    let lower = spec.to_ascii_lowercase();
    [".whl", ".tar.gz", ".zip"]
        .iter()
        .any(|end| lower.ends_with(end))
        || spec.contains('/')
}

fn unregistered(name: &str, text: &str) -> Entry {
    let vcs = ["git+", "hg+", "svn+", "bzr+"];
    let place = if vcs.iter().any(|start| text.starts_with(start)) {
        Place::Repository
    } else if text.contains("://") {
        Place::Address
    } else {
        Place::Project
    };
    elsewhere(name, place, text)
}

/// `name[extras]==1.0`, or why it is no exact version.
fn pinned(spec: &str) -> Entry {
    let end = spec
        .find(|c: char| "[=<>!~ (".contains(c))
        .unwrap_or(spec.len());
    let name = spec[..end].trim();
    let rest = match spec[end..].trim_start().strip_prefix('[') {
        Some(extras) => extras.split_once(']').map_or("", |(_, rest)| rest),
        None => &spec[end..],
    };
    let rest = rest
        .trim()
        .trim_start_matches('(')
        .trim_end_matches(')')
        .trim();
    let exact = rest.strip_prefix("===").or_else(|| rest.strip_prefix("=="));
    match exact.map(str::trim) {
        Some(version) if !version.contains([',', '*', ' ']) => {
            Entry::package(Ecosystem::Pypi, name, version)
        }
        _ if rest.is_empty() => Entry::other(
            &format!("pypi:{name}"),
            "has no version here; pin it (==) to have it analysed",
        ),
        _ => Entry::other(
            &format!("pypi:{name}"),
            &format!("has no exact version here ({rest}); pin it (==) to have it analysed"),
        ),
    }
}
