//! Bundler's lock file: sections, and specifications told apart by how far they are indented.

use std::collections::{HashMap, HashSet};

use apa_model::Ecosystem;

use crate::entry::{Draft, Entry, Hash};

pub(crate) fn parse(text: &str, out: &mut Draft) -> Result<(), String> {
    let direct = direct(text);
    let sums = checksums(text);
    let mut section = "";
    let mut remote = "";
    let mut any = false;
    for (number, line) in text.lines().enumerate() {
        if !line.starts_with(' ') {
            section = line.trim();
            any |= section == "GEM"
                || section == "PATH"
                || section == "GIT"
                || section == "DEPENDENCIES";
        } else if let Some(rest) = line.strip_prefix("  remote: ") {
            remote = rest.trim();
        } else if let Some((name, version)) = spec(line) {
            let entry = match section {
                "GEM" => package(name, version).hashes(sums.get(&(name, version)).cloned()),
                "PATH" => {
                    let reason = format!("is part of the project: {remote}");
                    Entry::covered(&shown(name, version), &reason)
                }
                "GIT" | "PLUGIN SOURCE" => {
                    let reason = format!("comes from a repository, not from a registry: {remote}");
                    Entry::other(&shown(name, version), &reason)
                }
                _ => continue,
            };
            out.add(
                entry
                    .at(&format!("line {}", number + 1))
                    .direct(direct.contains(name)),
            );
        }
    }
    if any {
        Ok(())
    } else {
        Err("it has no GEM, GIT or PATH section".into())
    }
}

/// `    name (1.0.0)`, indented by four.
fn spec(line: &str) -> Option<(&str, &str)> {
    let rest = line
        .strip_prefix("    ")
        .filter(|rest| !rest.starts_with(' '))?;
    let (name, version) = rest.trim_end().split_once(" (")?;
    Some((name, version.strip_suffix(')')?))
}

fn shown(name: &str, version: &str) -> String {
    format!("gem:{name}@{version}")
}

/// A gem; its version may be followed by the platform it was built for.
fn package(name: &str, version: &str) -> Entry {
    let number = match version.split_once('-') {
        Some((number, _)) => number,
        None => version,
    };
    Entry::package(Ecosystem::Gem, name, number)
}

fn section<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines()
        .skip_while(move |line| line.trim_end() != name)
        .skip(1)
        .take_while(|line| line.starts_with(' '))
}

fn direct(text: &str) -> HashSet<&str> {
    section(text, "DEPENDENCIES")
        .map(|line| line.trim().split([' ', '!']).next().unwrap_or_default())
        .collect()
}

/// `  name (1.0.0) sha256=…`.
fn checksums(text: &str) -> HashMap<(&str, &str), Hash> {
    section(text, "CHECKSUMS")
        .filter_map(|line| {
            let (name, rest) = line.trim().split_once(" (")?;
            let (version, sum) = rest.split_once(") ")?;
            let (algorithm, digest) = sum.split(',').next()?.split_once('=')?;
            Some(((name, version), Hash::hex(algorithm, digest)?))
        })
        .collect()
}
