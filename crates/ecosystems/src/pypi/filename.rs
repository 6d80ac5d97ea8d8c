//! What the names of distribution files say.

use apa_model::ArtifactKind;

/// A file name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) kind: ArtifactKind,
    /// Build number of a wheel, as pip compares it; 0 without.
    pub(super) build: u64,
    /// Every `python-abi-platform` a wheel is for.
    pub(super) tags: Vec<String>,
}

/// PEP 503: runs of `-`, `_` and `.` are one `-`, letters are small.
pub(super) fn normalise(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

/// Takes a wheel's or source distribution's name apart; `None` for other files.
pub(super) fn parse(filename: &str) -> Option<Parts> {
    match filename.strip_suffix(".whl") {
        Some(stem) => wheel(stem),
        None => sdist(filename, None),
    }
}

/// Like [`parse`], for a file of a known project: its name may hold dashes that a source distribution's file
/// name does not tell from the one before the version.
pub(super) fn parse_of(project: &str, filename: &str) -> Option<Parts> {
    let parts = match filename.strip_suffix(".whl") {
        Some(stem) => wheel(stem),
        None => sdist(filename, Some(project)),
    };
    parts.filter(|parts| normalise(&parts.name) == normalise(project))
}

fn wheel(stem: &str) -> Option<Parts> {
    let fields: Vec<&str> = stem.split('-').collect();
    let (build, tags) = match fields.len() {
        5 => (0, &fields[2..]),
        6 => {
            let digits: String = fields[2].chars().take_while(char::is_ascii_digit).collect();
            (digits.parse().ok()?, &fields[3..])
        }
        _ => return None,
    };
    Some(Parts {
        name: fields[0].to_owned(),
        version: fields[1].to_owned(),
        kind: ArtifactKind::Wheel,
        build,
        tags: expand(tags[0], tags[1], tags[2]),
    })
}

/// `py2.py3-none-any` stands for two tags. The number is bounded, since the parts multiply.
fn expand(pythons: &str, abis: &str, platforms: &str) -> Vec<String> {
    let mut tags = Vec::new();
    for python in pythons.split('.').take(20) {
        for abi in abis.split('.').take(20) {
            for platform in platforms.split('.').take(20) {
                tags.push(format!("{python}-{abi}-{platform}"));
            }
        }
    }
    tags
}

fn sdist(filename: &str, project: Option<&str>) -> Option<Parts> {
    let stem = [".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tar.xz"]
        .iter()
        .find_map(|suffix| filename.strip_suffix(suffix))?;
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    let at = match project.map(normalise) {
        Some(project) => dashes
            .into_iter()
            .find(|at| normalise(&stem[..*at]) == project)?,
        // A version begins with a digit; a dash inside one is rare.
        None => dashes
            .rev()
            .find(|at| stem[at + 1..].starts_with(|c: char| c.is_ascii_digit()))?,
    };
    Some(Parts {
        name: stem[..at].to_owned(),
        version: stem[at + 1..].to_owned(),
        kind: ArtifactKind::Sdist,
        build: 0,
        tags: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_and_sdists_are_taken_apart() {
        let parts =
            parse("numpy-2.1.0-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
                .unwrap();
        assert_eq!(
            (parts.name.as_str(), parts.version.as_str(), parts.build),
            ("numpy", "2.1.0", 1)
        );
        assert_eq!(
            parts.tags,
            [
                "cp311-cp311-manylinux_2_17_x86_64",
                "cp311-cp311-manylinux2014_x86_64"
            ]
        );
        let parts = parse("zope.interface-5.0-2.tar.gz").unwrap();
        assert_eq!(
            (parts.name.as_str(), parts.version.as_str()),
            ("zope.interface-5.0", "2")
        );
        let parts = parse_of("zope-interface", "zope.interface-5.0-2.tar.gz").unwrap();
        assert_eq!(
            (parts.name.as_str(), parts.version.as_str()),
            ("zope.interface", "5.0-2")
        );
    }

    #[test]
    fn other_files_and_other_projects_are_none() {
        for name in [
            "a-1.0.exe",
            "a-1.0-py3.11.egg",
            "a.whl",
            "a-1-x-y.whl",
            "a.tar.gz",
            "",
            "-.zip",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
        assert_eq!(parse_of("b", "a-1.0.tar.gz"), None);
    }
}
