use std::collections::BTreeSet;

use apa_model::ArtifactKind;

use super::distribution::Distribution;

/// Most modules of one distribution that are imported.
const MOST: usize = 500;

/// What to import and to run.
pub(super) struct Modules {
    /// Dotted names, shallow ones first.
    pub(super) names: Vec<String>,
    /// How many there were before the limit.
    pub(super) found: usize,
    /// Packages with a `__main__`.
    pub(super) runnable: Vec<String>,
}

/// Every module that an installation of the distribution makes importable, other than tests.
pub(super) fn modules(distribution: &Distribution<'_>) -> Modules {
    let mut names = BTreeSet::new();
    let mut runnable = BTreeSet::new();
    for file in &distribution.files {
        let path = match distribution.kind {
            ArtifactKind::Wheel => in_wheel(file),
            _ => in_sdist(file, &distribution.files),
        };
        let Some(module) = path.and_then(dotted) else {
            continue;
        };
        match module.strip_suffix(".__main__") {
            Some(package) if !package.contains('.') => {
                runnable.insert(package.to_owned());
            }
            Some(_) => {}
            None if module == "__main__" => {}
            None => {
                names.insert(module);
            }
        }
    }
    let found = names.len();
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|name| name.matches('.').count());
    names.truncate(MOST);
    Modules {
        names,
        found,
        runnable: runnable.into_iter().collect(),
    }
}

/// The part of a wheel's path that lands on the module path.
fn in_wheel(file: &str) -> Option<&str> {
    let (first, rest) = file.split_once('/').unwrap_or((file, ""));
    if first.ends_with(".data") {
        return rest
            .strip_prefix("purelib/")
            .or_else(|| rest.strip_prefix("platlib/"));
    }
    (!first.ends_with(".dist-info")).then_some(file)
}

/// The part of a source path that a usual build installs: packages at the top or below `src`, and modules
/// that are no build script.
fn in_sdist<'a>(file: &'a str, files: &BTreeSet<String>) -> Option<&'a str> {
    const ASIDE: [&str; 12] = [
        "setup.py",
        "conftest.py",
        "noxfile.py",
        "versioneer.py",
        "tasks.py",
        "fabfile.py",
        "ez_setup.py",
        "docs/",
        "examples/",
        "build/",
        "benchmarks/",
        "tools/",
    ];
    let path = file.strip_prefix("src/").unwrap_or(file);
    if ASIDE
        .iter()
        .any(|aside| path == *aside || (aside.ends_with('/') && path.starts_with(aside)))
    {
        return None;
    }
    let top = &file[..file.len() - path.len()];
    let is_package = path
        .split_once('/')
        .is_none_or(|(package, _)| files.contains(&format!("{top}{package}/__init__.py")));
    is_package.then_some(path)
}

/// The dotted name of a Python source or extension module.
fn dotted(path: &str) -> Option<String> {
    let (folder, base) = path
        .rsplit_once('/')
        .map_or(("", path), |(folder, base)| (folder, base));
    let stem = match base.strip_suffix(".py") {
        Some(stem) => stem,
        None => base
            .strip_suffix(".so")
            .map(|stem| stem.split('.').next().unwrap_or(stem))?,
    };
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if stem != "__init__" {
        parts.push(stem);
    }
    let importable = !parts.is_empty()
        && parts.iter().all(|part| is_identifier(part))
        && !parts
            .iter()
            .any(|part| matches!(*part, "tests" | "test" | "conftest"))
        && !stem.starts_with("test_");
    importable.then(|| parts.join("."))
}

fn is_identifier(part: &str) -> bool {
    part.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && part.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::distribution::tests::{sdist, wheel};
    use super::*;

    fn names(archive: &apa_archive::Archive) -> (Vec<String>, Vec<String>) {
        let modules = modules(&Distribution::read(archive).unwrap());
        (modules.names, modules.runnable)
    }

    #[test]
    fn a_wheel_offers_sources_and_extensions_but_no_tests() {
        let archive = wheel(&[
            ("a/__init__.py", ""),
            ("a/__main__.py", ""),
            ("a/sub/x.py", ""),
            ("a/_c.cpython-311-x86_64-linux-gnu.so", ""),
            ("a/tests/t.py", ""),
            ("a/test_it.py", ""),
            ("a/not-a-module.py", ""),
            ("one.py", ""),
            ("a-1.0.data/purelib/b.py", ""),
            ("a-1.0.data/data/etc/c.py", ""),
        ]);
        let (names, runnable) = names(&archive);
        assert_eq!(names, ["a", "b", "one", "a._c", "a.sub.x"]);
        assert_eq!(runnable, ["a"]);
    }

    #[test]
    fn a_source_distribution_offers_what_its_build_installs() {
        let archive = sdist(&[
            ("setup.py", ""),
            ("one.py", ""),
            ("src/a/__init__.py", ""),
            ("src/a/b.py", ""),
            ("scripts/x.py", ""),
            ("docs/conf.py", ""),
        ]);
        assert_eq!(names(&archive).0, ["a", "one", "a.b"]);
    }
}
