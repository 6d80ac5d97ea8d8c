use apa_model::Ecosystem;
use serde_json::Value;

use super::{Place, elsewhere};
use crate::entry::{Draft, Entry, Hash};
use crate::text::{self, items, members, string};

pub(crate) fn parse(text: &str, out: &mut Draft) -> Result<(), String> {
    let lock = text::json(text)?;
    let tables = lock.as_object().into_iter().flatten();
    for (table, _) in tables.filter(|(table, _)| *table != "_meta") {
        for (name, package) in members(&lock, table) {
            let place = format!("{table} {name}");
            out.add(entry(name, package).at(&place).dev(table != "default"));
        }
    }
    Ok(())
}

fn entry(name: &str, package: &Value) -> Entry {
    let shown = format!("pypi:{name}");
    for (key, place) in [
        ("git", Place::Repository),
        ("hg", Place::Repository),
        ("svn", Place::Repository),
        ("file", Place::Address),
        ("path", Place::Project),
    ] {
        if let Some(text) = string(package, key) {
            return elsewhere(&shown, place, text);
        }
    }
    let version = string(package, "version").and_then(|version| version.strip_prefix("=="));
    let Some(version) = version else {
        return Entry::other(&shown, "has no exact version in the lock file");
    };
    let hashes = items(package, "hashes").filter_map(|hash| Hash::with_colon(hash.as_str()?));
    Entry::package(Ecosystem::Pypi, name, version).hashes(hashes)
}
