use apa_archive::Archive;
use apa_model::{Anomaly, ArtifactKind, Hostile};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::distribution::Distribution;
use super::filename::normalise;
use crate::Identity;
use crate::text::excerpt;

/// Most facts of one kind.
const MOST: usize = 50;

/// What a distribution says about itself.
pub(super) fn facts(archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
    let Some(distribution) = Distribution::read(archive) else {
        return vec![fact(
            "no-manifest",
            "",
            "the archive has no distribution metadata",
        )];
    };
    let mut facts = Vec::new();
    contradictions(&distribution, identity, &mut facts);
    match distribution.kind {
        ArtifactKind::Wheel => {
            path_files(&distribution, &mut facts);
            record(archive, &distribution, &mut facts);
        }
        _ => build_code(&distribution, &mut facts),
    }
    facts
}

fn contradictions(distribution: &Distribution<'_>, identity: &Identity, facts: &mut Vec<Anomaly>) {
    let differs = |field: &str, expected: &str, found: &str| match field {
        "Name" => normalise(expected) != normalise(found),
        _ => !same_version(expected, found),
    };
    for (field, expected) in [("Name", &identity.name), ("Version", &identity.version)] {
        let (Some(expected), Some(found)) = (expected, distribution.header(field)) else {
            continue;
        };
        if differs(field, expected, found) {
            let detail = format!(
                "the registry's {} is {expected}, the metadata's is {found}",
                field.to_lowercase()
            );
            facts.push(fact("manifest-mismatch", "METADATA", &detail));
        }
    }
}

fn same_version(a: &str, b: &str) -> bool {
    let parse = |text: &str| text.parse::<pep440_rs::Version>().ok();
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// `.pth` files are read, and lines that start with `import` executed, by every interpreter that starts.
fn path_files(distribution: &Distribution<'_>, facts: &mut Vec<Anomaly>) {
    let files = distribution.files.iter().filter(|file| {
        let base = file.rsplit('/').next().unwrap_or(file);
        base.ends_with(".pth") || matches!(base, "sitecustomize.py" | "usercustomize.py")
    });
    for file in files.take(MOST) {
        let code = distribution
            .file(file)
            .map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned())
            .unwrap_or_default();
        let runs = !file.ends_with(".pth")
            || code
                .lines()
                .any(|line| line.starts_with("import ") || line.starts_with("import\t"));
        let detail = if runs {
            "runs code at every start of the interpreter"
        } else {
            "adds to the module path of every interpreter"
        };
        facts.push(fact("pth-file", file, detail));
    }
}

/// Holds every file against `RECORD`.
fn record(archive: &Archive, distribution: &Distribution<'_>, facts: &mut Vec<Anomaly>) {
    let Some(record) = distribution.info_text("RECORD") else {
        facts.push(fact(
            "record-missing",
            "RECORD",
            "the wheel lists none of its files",
        ));
        return;
    };
    let own = distribution.info_dir().unwrap_or_default();
    let mut listed = std::collections::BTreeMap::new();
    for line in record.lines().take(100_000) {
        if let Some((path, hash)) = record_line(line) {
            listed.insert(path, hash);
        }
    }
    let mut found = 0;
    for file in &distribution.files {
        let beside = [
            ".dist-info/RECORD",
            ".dist-info/RECORD.jws",
            ".dist-info/RECORD.p7s",
        ];
        if found >= MOST || (file.starts_with(own) && beside.iter().any(|end| file.ends_with(end)))
        {
            continue;
        }
        let problem = match listed.get(file) {
            None => Some("is not listed in RECORD"),
            Some(None) => None,
            Some(Some(hash)) => {
                let actual = archive.file(file).and_then(|entry| hex(&entry.sha256));
                let differs = actual.is_some_and(|actual| URL_SAFE_NO_PAD.encode(actual) != *hash);
                differs.then_some("differs from its hash in RECORD")
            }
        };
        if let Some(problem) = problem {
            found += 1;
            facts.push(fact("record-mismatch", file, problem));
        }
    }
}

/// Path and SHA-256 of a line of `RECORD`; a hash of another kind counts as none.
fn record_line(line: &str) -> Option<(String, Option<String>)> {
    let (rest, _size) = line.rsplit_once(',')?;
    let (path, hash) = rest.rsplit_once(',')?;
    let path = match path
        .strip_prefix('"')
        .and_then(|path| path.strip_suffix('"'))
    {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => path.to_owned(),
    };
    let hash = hash
        .strip_prefix("sha256=")
        .map(|hash| hash.trim_end_matches('=').to_owned());
    Some((path, hash))
}

fn hex(digest: &str) -> Option<Vec<u8>> {
    (0..digest.len() / 2)
        .map(|at| u8::from_str_radix(digest.get(2 * at..2 * at + 2)?, 16).ok())
        .collect()
}

fn build_code(distribution: &Distribution<'_>, facts: &mut Vec<Anomaly>) {
    if distribution.files.contains("setup.py") {
        facts.push(fact(
            "setup-script",
            "setup.py",
            "runs when the distribution is built or installed",
        ));
    }
    let backend = distribution.pyproject().and_then(|project| {
        let system = project.get("build-system")?.as_table()?.clone();
        system.contains_key("backend-path").then_some(system)
    });
    if backend.is_some() {
        let detail =
            "brings its own build backend, which runs when the distribution is built or installed";
        facts.push(fact("own-build-backend", "pyproject.toml", detail));
    }
}

fn fact(kind: &str, path: &str, detail: &str) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: Hostile::from(path),
        detail: excerpt(detail, 300),
    }
}

#[cfg(test)]
mod tests {
    use super::super::distribution::tests::{sdist, wheel};
    use super::*;

    fn kinds(archive: &Archive) -> Vec<(String, String)> {
        let identity = Identity {
            name: Some("a".into()),
            version: Some("1.0.0".into()),
            kind: ArtifactKind::Wheel,
        };
        facts(archive, &identity)
            .into_iter()
            .map(|fact| (fact.kind, fact.path.to_string()))
            .collect()
    }

    #[test]
    fn files_that_contradict_record_are_named() {
        // SHA-256 of the empty text.
        let hash = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        let record = format!(
            "a/__init__.py,sha256={hash},0\na/x.py,sha256={hash},0\na-1.0.dist-info/METADATA,,\na-1.0.dist-info/WHEEL,,\n"
        );
        let archive = wheel(&[
            ("a/__init__.py", ""),
            ("a/x.py", "changed"),
            ("a/y.py", ""),
            ("z.pth", "import z\n"),
            ("a-1.0.dist-info/RECORD", &record),
        ]);
        let pairs = [
            ("pth-file", "z.pth"),
            ("record-mismatch", "a/x.py"),
            ("record-mismatch", "a/y.py"),
            ("record-mismatch", "z.pth"),
        ];
        assert_eq!(
            kinds(&archive),
            pairs.map(|(kind, path)| (kind.to_owned(), path.to_owned()))
        );
    }

    #[test]
    fn code_that_a_build_runs_is_named() {
        let archive = sdist(&[
            ("PKG-INFO", "Name: b\nVersion: 1.0\n"),
            ("setup.py", ""),
            (
                "pyproject.toml",
                "[build-system]\nrequires=[]\nbackend-path=['.']\n",
            ),
        ]);
        let found: Vec<_> = kinds(&archive).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(
            found,
            ["manifest-mismatch", "setup-script", "own-build-backend"]
        );
    }
}
