use std::collections::HashSet;

use apa_model::Ecosystem;
use toml::Value;

use crate::entry::{Draft, Entry, Hash};
use crate::python::tables::{list, read, string};

pub(crate) fn parse(text: &str, out: &mut Draft) -> Result<(), String> {
    let lock = read(text)?;
    // What has no source is the project itself or one of its workspaces.
    let direct: HashSet<&str> = list(&lock, "package")
        .filter(|package| string(package, "source").is_none())
        .filter_map(|package| package.get("dependencies")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for package in list(&lock, "package") {
        let (Some(name), Some(version)) = (string(package, "name"), string(package, "version"))
        else {
            out.add(Entry::other("cargo:?", "has no name or no version"));
            continue;
        };
        let Some(source) = string(package, "source") else {
            continue;
        };
        let entry = if source.starts_with("registry+") || source.starts_with("sparse+") {
            Entry::package(Ecosystem::Cargo, name, version)
        } else {
            let reason = format!("comes from a repository, not from a registry: {source}");
            Entry::other(&format!("cargo:{name}@{version}"), &reason)
        };
        let full = format!("{name} {version}");
        let asked = direct.contains(name)
            || direct
                .iter()
                .any(|one| *one == full || one.starts_with(&format!("{full} ")));
        let sum = string(package, "checksum").and_then(|sum| Hash::hex("sha256", sum));
        out.add(entry.at(&full).direct(asked).hashes(sum));
    }
    Ok(())
}
