//! Lock files that are lists of TOML tables: Poetry's and PDM's, uv's, and the standard one (PEP 751).

use std::collections::HashSet;

use apa_model::Ecosystem;
use toml::{Table, Value};

use super::{Place, elsewhere};
use crate::entry::{Draft, Entry, Hash};

pub(crate) fn read(text: &str) -> Result<Table, String> {
    text.parse::<Table>()
        .map_err(|error| error.message().to_owned())
}

/// The tables of a list; none when it is absent or something else.
pub(crate) fn list<'a>(table: &'a Table, key: &str) -> impl Iterator<Item = &'a Table> {
    let items = table.get(key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_table)
}

pub(crate) fn string<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn table<'a>(table: &'a Table, key: &str) -> Option<&'a Table> {
    table.get(key)?.as_table()
}

fn flag(table: &Table, key: &str) -> bool {
    table.get(key).and_then(Value::as_bool) == Some(true)
}

fn texts<'a>(table: &'a Table, key: &str) -> impl Iterator<Item = &'a str> {
    let items = table.get(key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}

/// `poetry.lock` and `pdm.lock`.
pub(crate) fn poetry(text: &str, out: &mut Draft) -> Result<(), String> {
    let lock = read(text)?;
    // Before version 2 the hashes stood in a table of their own.
    let files = table(&lock, "metadata").and_then(|metadata| table(metadata, "files"));
    for package in list(&lock, "package") {
        let name = string(package, "name").unwrap_or_default();
        let groups: Vec<&str> = texts(package, "groups").collect();
        let dev = string(package, "category") == Some("dev")
            || !groups.is_empty()
                && !groups
                    .iter()
                    .any(|group| matches!(*group, "main" | "default"));
        let hashes = hashes(package, "files", "hash").chain(
            files
                .into_iter()
                .flat_map(|files| hashes(files, name, "hash")),
        );
        let entry = poetry_entry(name, package);
        out.add(
            entry
                .at(name)
                .dev(dev)
                .optional(flag(package, "optional"))
                .hashes(hashes),
        );
    }
    Ok(())
}

fn poetry_entry(name: &str, package: &Table) -> Entry {
    let source = table(package, "source");
    let kind = source.and_then(|source| string(source, "type"));
    let place = source
        .and_then(|source| string(source, "url"))
        .unwrap_or_default();
    let kind = match kind {
        Some("git" | "hg") => Place::Repository,
        Some("url" | "file") => Place::Address,
        Some("directory") => Place::Project,
        // `legacy` is a registry of the user's own.
        _ => return versioned(name, package),
    };
    elsewhere(&format!("pypi:{name}"), kind, place)
}

fn versioned(name: &str, package: &Table) -> Entry {
    match string(package, "version") {
        Some(version) => Entry::package(Ecosystem::Pypi, name, version),
        None => Entry::other(&format!("pypi:{name}"), "has no version in the lock file"),
    }
}

/// `sha256:…` under `key` in each table of the list `files`.
fn hashes<'a>(
    package: &'a Table,
    files: &str,
    key: &'a str,
) -> impl Iterator<Item = Hash> + use<'a> {
    let files: Vec<&Table> = list(package, files).collect();
    files
        .into_iter()
        .filter_map(move |file| Hash::with_colon(string(file, key)?))
}

pub(crate) fn uv(text: &str, out: &mut Draft) -> Result<(), String> {
    let lock = read(text)?;
    let mut direct = HashSet::new();
    let mut needed = HashSet::new();
    let own = list(&lock, "package").filter(|package| is_own(package));
    for package in own {
        let run = list(package, "dependencies").chain(groups(package, "optional-dependencies"));
        needed.extend(run.filter_map(|one| string(one, "name")));
        let all = groups(package, "dev-dependencies").filter_map(|one| string(one, "name"));
        direct.extend(all);
    }
    direct.extend(&needed);
    for package in list(&lock, "package").filter(|package| !is_own(package)) {
        let name = string(package, "name").unwrap_or_default();
        let source = table(package, "source");
        let of = |key: &str| source.and_then(|source| string(source, key));
        let shown = format!("pypi:{name}");
        let entry = if let Some(place) = of("git") {
            elsewhere(&shown, Place::Repository, place)
        } else if let Some(place) = of("url").or(of("path")) {
            elsewhere(&shown, Place::Address, place)
        } else {
            versioned(name, package)
        };
        let sdist =
            table(package, "sdist").and_then(|sdist| Hash::with_colon(string(sdist, "hash")?));
        out.add(
            entry
                .at(name)
                .direct(direct.contains(name))
                .dev(direct.contains(name) && !needed.contains(name))
                .hashes(sdist.into_iter().chain(hashes(package, "wheels", "hash"))),
        );
    }
    Ok(())
}

/// Whether a table of `uv.lock` is the project or one of its workspaces.
fn is_own(package: &Table) -> bool {
    let source = table(package, "source");
    source.is_some_and(|source| {
        ["virtual", "editable", "directory"]
            .iter()
            .any(|key| source.contains_key(*key))
    })
}

/// The items of all lists in a table of lists.
fn groups<'a>(package: &'a Table, key: &str) -> impl Iterator<Item = &'a Table> {
    let groups = table(package, key).into_iter().flatten();
    groups
        .filter_map(|(_, list)| list.as_array())
        .flatten()
        .filter_map(Value::as_table)
}

/// `pylock.toml`.
pub(crate) fn pylock(text: &str, out: &mut Draft) -> Result<(), String> {
    let lock = read(text)?;
    for package in list(&lock, "packages") {
        let name = string(package, "name").unwrap_or_default();
        let shown = format!("pypi:{name}");
        let place =
            |key: &str| table(package, key).and_then(|of| string(of, "url").or(string(of, "path")));
        let entry = if let Some(text) = place("vcs") {
            elsewhere(&shown, Place::Repository, text)
        } else if let Some(text) = place("directory") {
            elsewhere(&shown, Place::Project, text)
        } else if let Some(text) = place("archive") {
            elsewhere(&shown, Place::Address, text)
        } else {
            versioned(name, package)
        };
        let sdist = table(package, "sdist");
        let files = sdist.into_iter().chain(list(package, "wheels"));
        let hashes = files
            .filter_map(|file| table(file, "hashes"))
            .flatten()
            .filter_map(|(algorithm, hash)| Hash::hex(algorithm, hash.as_str()?));
        out.add(entry.at(name).hashes(hashes));
    }
    Ok(())
}
