//! Lock files of npm, Yarn and pnpm.

pub(crate) mod package_lock;
pub(crate) mod pnpm;
pub(crate) mod yarn;

use apa_model::Ecosystem;

use crate::entry::Entry;

/// An npm package, if what it was resolved to is a registry's file of this name and version.
///
/// An address of another shape may hold anything; looking at the registry's file of that name would prove nothing.
fn from_registry(name: &str, version: &str, resolved: Option<&str>) -> Entry {
    match resolved {
        Some(address) if !is_registry_file(address, name, version) => {
            elsewhere(name, version, address)
        }
        _ => Entry::package(Ecosystem::Npm, name, version),
    }
}

/// Whether `address` has the layout in which registries serve `name` at `version`; which host does not matter.
fn is_registry_file(address: &str, name: &str, version: &str) -> bool {
    let Some((_, path)) = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let path = path.split(['#', '?']).next().unwrap_or(path);
    let path = path
        .to_ascii_lowercase()
        .replace("%2f", "/")
        .replace("%40", "@");
    let name = name.to_ascii_lowercase();
    let version = version.to_ascii_lowercase();
    let base = name.rsplit('/').next().unwrap_or(&name);
    let plain = version.split('+').next().unwrap_or(&version);
    [
        format!("{name}/-/{base}-{version}.tgz"),
        format!("{name}/-/{base}-{plain}.tgz"),
        format!("{name}/-/{name}-{version}.tgz"),
    ]
    .iter()
    .any(|end| path == *end || path.ends_with(&format!("/{end}")))
        || path.contains(&format!("download/{name}/{version}/"))
}

/// What is fetched from an address, a repository or a folder.
fn elsewhere(name: &str, version: &str, address: &str) -> Entry {
    let scheme = address.split([':', '/']).next().unwrap_or_default();
    let shown = match version {
        "" => format!("npm:{name}"),
        version => format!("npm:{name}@{version}"),
    };
    if matches!(
        scheme,
        "file" | "link" | "portal" | "workspace" | "." | ".."
    ) {
        return Entry::covered(&shown, &format!("is part of the project: {address}"));
    }
    let repository =
        scheme.starts_with("git") || address.contains("git+") || address.ends_with(".git");
    let from = if repository {
        "a repository"
    } else {
        "an address"
    };
    Entry::other(
        &shown,
        &format!("comes from {from}, not from a registry: {address}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_layout_of_registries_counts_as_a_registry() {
        for (address, name, version, expected) in [
            (
                "https://registry.example/left-pad/-/left-pad-1.3.0.tgz",
                "left-pad",
                "1.3.0",
                true,
            ),
            (
                "http://mirror.test/api/npm/all/@a/b/-/b-1.0.0.tgz#abc",
                "@a/b",
                "1.0.0",
                true,
            ),
            ("https://m.test/@a%2fb/-/b-1.0.0.tgz", "@a/b", "1.0.0", true),
            (
                "https://m.test/@a/b/-/@a/b-1.0.0.tgz",
                "@a/b",
                "1.0.0",
                true,
            ),
            (
                "https://m.test/download/@a/b/1.0.0/0123",
                "@a/b",
                "1.0.0",
                true,
            ),
            (
                "https://m.test/left-pad/-/left-pad-1.3.1.tgz",
                "left-pad",
                "1.3.0",
                false,
            ),
            ("https://evil.test/x.tgz", "left-pad", "1.3.0", false),
            (
                "git+ssh://git@code.example/a/b.git#0123",
                "b",
                "1.0.0",
                false,
            ),
            ("file:../b", "b", "1.0.0", false),
        ] {
            assert_eq!(
                is_registry_file(address, name, version),
                expected,
                "{address}"
            );
        }
    }
}
