use std::collections::HashSet;

use serde_json::Value;

use super::{elsewhere, from_registry};
use crate::entry::{Draft, Entry, Hash};
use crate::text::{self, flag, members, split_at_version, string};

const TABLES: [&str; 4] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
];

pub(crate) fn parse(text: &str, out: &mut Draft) -> Result<(), String> {
    let lock = text::json(text)?;
    if lock.get("packages").is_some_and(Value::is_object) {
        packages(&lock, out);
    } else {
        dependencies(&lock, "", 0, out);
    }
    Ok(())
}

/// Versions 2 and 3: one flat table, by place in the tree.
fn packages(lock: &Value, out: &mut Draft) {
    // What the project and its workspaces ask for by name lies in the topmost node_modules, or in their own.
    let mut direct = HashSet::new();
    for (place, package) in members(lock, "packages") {
        if !place.contains("node_modules/") {
            let names = TABLES.iter().flat_map(|table| members(package, table));
            for (name, _) in names {
                direct.insert(format!("node_modules/{name}"));
                if !place.is_empty() {
                    direct.insert(format!("{place}/node_modules/{name}"));
                }
            }
        }
    }
    for (place, package) in members(lock, "packages") {
        let Some((_, name)) = place.rsplit_once("node_modules/") else {
            continue;
        };
        if flag(package, "link") {
            continue;
        }
        let entry = entry(name, package)
            .at(place)
            .direct(direct.contains(place))
            .dev(flag(package, "dev"))
            .optional(flag(package, "optional") || flag(package, "devOptional"));
        out.add(entry);
    }
}

fn entry(place_name: &str, package: &Value) -> Entry {
    let name = string(package, "name").unwrap_or(place_name);
    let Some(version) = string(package, "version") else {
        return Entry::other(&format!("npm:{name}"), "has no version in the lock file");
    };
    if flag(package, "inBundle") || flag(package, "bundled") {
        let reason = "is bundled inside another package and analysed with that one";
        return Entry::covered(&format!("npm:{name}@{version}"), reason);
    }
    let hashes = string(package, "integrity").map(Hash::integrity);
    from_registry(name, version, string(package, "resolved")).hashes(hashes.unwrap_or_default())
}

/// Version 1: a tree.
fn dependencies(level: &Value, above: &str, depth: usize, out: &mut Draft) {
    for (name, package) in members(level, "dependencies") {
        let place = if above.is_empty() {
            name.to_owned()
        } else {
            format!("{above} > {name}")
        };
        let found = match string(package, "version") {
            Some(version) => match version.strip_prefix("npm:").and_then(split_at_version) {
                Some((real, version)) => aliased(real, version, package),
                None if version.contains(':') => elsewhere(name, "", version),
                None => entry(name, package),
            },
            None => entry(name, package),
        };
        out.add(
            found
                .at(&place)
                .direct((depth > 0).then_some(false))
                .dev(flag(package, "dev"))
                .optional(flag(package, "optional")),
        );
        // The JSON reader bounds the depth.
        dependencies(package, &place, depth + 1, out);
    }
}

fn aliased(name: &str, version: &str, package: &Value) -> Entry {
    let hashes = string(package, "integrity").map(Hash::integrity);
    from_registry(name, version, string(package, "resolved")).hashes(hashes.unwrap_or_default())
}
