use apa_model::Ecosystem;
use serde_json::Value;

use crate::entry::{Draft, Entry, Hash};
use crate::text::{self, items, string};

pub(crate) fn parse(text: &str, out: &mut Draft) -> Result<(), String> {
    let lock = text::json(text)?;
    for (table, dev) in [("packages", false), ("packages-dev", true)] {
        for package in items(&lock, table) {
            out.add(entry(package).at(table).dev(dev));
        }
    }
    Ok(())
}

fn entry(package: &Value) -> Entry {
    let name = string(package, "name").unwrap_or_default();
    let Some(version) = string(package, "version") else {
        return Entry::other(
            &format!("composer:{name}"),
            "has no version in the lock file",
        );
    };
    let shown = format!("composer:{name}@{version}");
    let of = |table: &str, key: &str| package.get(table).and_then(|table| string(table, key));
    if of("dist", "type") == Some("path") {
        let place = of("dist", "url").unwrap_or_default();
        return Entry::covered(&shown, &format!("is part of the project: {place}"));
    }
    if string(package, "type") == Some("metapackage") {
        return Entry::covered(&shown, "is a metapackage without files");
    }
    // Everything from the registry names the address that it tells of installations.
    if package.get("dist").is_none() && string(package, "notification-url").is_none() {
        let place = of("source", "url").unwrap_or_default();
        return Entry::other(
            &shown,
            &format!("comes from a repository, not from a registry: {place}"),
        );
    }
    let number = version
        .strip_prefix('v')
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let sum = of("dist", "shasum").and_then(|sum| Hash::hex("sha1", sum));
    Entry::package(Ecosystem::Composer, name, number.unwrap_or(version)).hashes(sum)
}
