use std::collections::HashSet;

use super::{elsewhere, from_registry};
use crate::entry::{Draft, Entry, Hash};
use crate::text::split_at_version;
use crate::yaml::Yaml;

pub(crate) fn parse(text: &str, out: &mut Draft) -> Result<(), String> {
    let lock = Yaml::parse(text)?;
    let version = lock.string("lockfileVersion").unwrap_or_default();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    let Some(major) = major else {
        return Err("it has no lockfileVersion".into());
    };
    let wanted = Wanted::of(&lock);
    for (key, package) in lock.members("packages") {
        let entry = entry(key, package, major);
        let plain = place(key);
        out.add(
            entry
                .at(key)
                .direct(wanted.direct.contains(plain))
                .dev(package.flag("dev") || wanted.dev_only(plain))
                .optional(package.flag("optional")),
        );
    }
    Ok(())
}

/// A key without the leading slash and what it was resolved beside: `name@1.0.0` or `name/1.0.0`.
fn place(key: &str) -> &str {
    let key = key.strip_prefix('/').unwrap_or(key);
    key.split('(').next().unwrap_or(key)
}

fn entry(key: &str, package: &Yaml, major: u32) -> Entry {
    let resolution = package.get("resolution");
    let field = |name: &str| resolution.and_then(|resolution| resolution.string(name));
    let plain = place(key);
    let named = if major < 6 {
        before_six(plain)
    } else {
        split_at_version(plain)
    };
    let (name, version) = match (package.string("name"), package.string("version"), named) {
        (Some(name), Some(version), _) => (name, version),
        (Some(name), None, Some((_, version))) | (None, None, Some((name, version))) => {
            (name, version)
        }
        (None, Some(version), Some((name, _))) => (name, version),
        _ => return Entry::other(key, "its key names no version"),
    };
    if let Some(repository) = field("repo") {
        return elsewhere(name, version, &format!("git+{repository}"));
    }
    if let Some(folder) = field("directory") {
        return elsewhere(name, version, &format!("file:{folder}"));
    }
    // A key that is an address names what no registry is asked for.
    if named.is_none_or(|(_, version)| version.contains([':', '/'])) {
        return elsewhere(name, version, field("tarball").unwrap_or(key));
    }
    let hashes = field("integrity").map(Hash::integrity).unwrap_or_default();
    from_registry(name, version, field("tarball")).hashes(hashes)
}

/// `@scope/name/1.0.0_peers`.
fn before_six(key: &str) -> Option<(&str, &str)> {
    let (name, version) = key.rsplit_once('/')?;
    let version = version.split('_').next()?;
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some((name, version))
}

/// What the project and its workspaces ask for.
struct Wanted {
    direct: HashSet<String>,
    /// Asked for only to develop.
    dev: HashSet<String>,
}

impl Wanted {
    fn of(lock: &Yaml) -> Self {
        let mut all = HashSet::new();
        let mut run = HashSet::new();
        let importers = lock.members("importers").map(|(_, importer)| importer);
        for importer in importers.chain([lock]) {
            for table in ["dependencies", "optionalDependencies", "devDependencies"] {
                for (name, value) in importer.members(table) {
                    let version = value.string("version").or(match value {
                        Yaml::Text(version) => Some(version.as_str()),
                        _ => None,
                    });
                    for key in version
                        .map(|version| keys(name, version))
                        .into_iter()
                        .flatten()
                    {
                        if table != "devDependencies" {
                            run.insert(key.clone());
                        }
                        all.insert(key);
                    }
                }
            }
        }
        Self {
            dev: all.difference(&run).cloned().collect(),
            direct: all,
        }
    }

    fn dev_only(&self, key: &str) -> bool {
        self.dev.contains(key)
    }
}

/// How the table of packages may name `version` of `name`.
fn keys(name: &str, version: &str) -> [String; 3] {
    let plain = place(version);
    [
        format!("{name}@{plain}"),
        format!("{name}/{plain}"),
        // An alias, or an address: the version is the whole key.
        plain.to_owned(),
    ]
}
