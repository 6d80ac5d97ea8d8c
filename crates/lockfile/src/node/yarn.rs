//! `yarn.lock`: version 1 is a format of its own, later ones are YAML.

use super::{elsewhere, from_registry};
use crate::entry::{Draft, Entry, Hash};
use crate::text::split_at_version;
use crate::yaml::Yaml;

pub(crate) fn parse(text: &str, out: &mut Draft) -> Result<(), String> {
    if text.lines().any(|line| line.starts_with("__metadata:")) {
        berry(&Yaml::parse(text)?, out);
        Ok(())
    } else {
        classic(text, out)
    }
}

/// The block that is being read.
#[derive(Default)]
struct Block<'t> {
    line: usize,
    spec: &'t str,
    version: Option<&'t str>,
    resolved: Option<&'t str>,
    integrity: Option<&'t str>,
}

fn classic(text: &str, out: &mut Draft) -> Result<(), String> {
    let mut block: Option<Block<'_>> = None;
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            finish(block.take(), out);
            let Some(specs) = line.trim_end().strip_suffix(':') else {
                return Err(format!(
                    "line {} is neither a package nor a field of one",
                    number + 1
                ));
            };
            let spec = specs.split(", ").next().unwrap_or(specs);
            block = Some(Block {
                line: number + 1,
                spec: unquote(spec),
                ..Block::default()
            });
        } else if let (Some(block), Some(field)) = (&mut block, line.strip_prefix("  "))
            && let Some((key, value)) = field.split_once(' ')
        {
            match unquote(key) {
                "version" => block.version = Some(unquote(value)),
                "resolved" => block.resolved = Some(unquote(value)),
                "integrity" => block.integrity = Some(unquote(value)),
                _ => {}
            }
        }
    }
    finish(block, out);
    Ok(())
}

fn unquote(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}

fn finish(block: Option<Block<'_>>, out: &mut Draft) {
    let Some(block) = block else { return };
    let entry = match (split_at_version(block.spec), block.version) {
        (Some((name, range)), Some(version)) => {
            let name = match range.strip_prefix("npm:") {
                Some(alias) => split_at_version(alias).map_or(alias, |(real, _)| real),
                None => name,
            };
            let local = ["file:", "link:", "portal:"]
                .iter()
                .any(|start| range.starts_with(start));
            if local && block.resolved.is_none() {
                elsewhere(name, version, range)
            } else {
                from_registry(name, version, block.resolved)
            }
        }
        _ => Entry::other(block.spec, "has no version in the lock file"),
    };
    let fragment = block.resolved.and_then(|address| address.split_once('#'));
    let hashes = match block.integrity {
        Some(integrity) => Hash::integrity(integrity),
        None => fragment
            .and_then(|(_, sha1)| Hash::hex("sha1", sha1))
            .into_iter()
            .collect(),
    };
    out.add(entry.at(&format!("line {}", block.line)).hashes(hashes));
}

fn berry(lock: &Yaml, out: &mut Draft) {
    let workspaces: Vec<&Yaml> = lock
        .table()
        .filter(|(_, package)| {
            package
                .string("resolution")
                .is_some_and(|one| one.contains("@workspace:"))
        })
        .map(|(_, package)| package)
        .collect();
    let direct: std::collections::HashSet<String> = workspaces
        .iter()
        .flat_map(|package| package.members("dependencies"))
        .filter_map(|(name, range)| match range {
            Yaml::Text(range) => Some(descriptor(name, range)),
            _ => None,
        })
        .collect();
    for (specs, package) in lock.table().filter(|(specs, _)| *specs != "__metadata") {
        let Some(resolution) = package.string("resolution") else {
            out.add(Entry::other(specs, "has no resolution in the lock file").at(specs));
            continue;
        };
        let Some((name, reference)) = split_at_version(resolution) else {
            out.add(Entry::other(resolution, "its resolution names no version").at(specs));
            continue;
        };
        if reference.starts_with("workspace:") {
            continue;
        }
        let asked = specs.split(", ").any(|spec| direct.contains(spec));
        out.add(resolved(name, reference).at(specs).direct(asked));
    }
}

/// How a lock file names what a manifest asks for.
fn descriptor(name: &str, range: &str) -> String {
    if range.contains(':') {
        format!("{name}@{range}")
    } else {
        format!("{name}@npm:{range}")
    }
}

fn resolved(name: &str, reference: &str) -> Entry {
    match reference.strip_prefix("npm:") {
        // `1.2.3::__archiveUrl=…`: bound to an address of its own.
        Some(version) => match version.split_once("::__archiveUrl=") {
            Some((version, address)) => {
                let address = address
                    .replace("%3A", ":")
                    .replace("%2F", "/")
                    .replace("%40", "@");
                from_registry(name, version, Some(&address))
            }
            None => from_registry(name, version.split("::").next().unwrap_or(version), None),
        },
        None if reference.starts_with("patch:") => {
            let reason = "is another entry with a patch of the project's or of Yarn's own";
            Entry::covered(&format!("npm:{name}@{reference}"), reason)
        }
        None => elsewhere(name, "", reference),
    }
}
