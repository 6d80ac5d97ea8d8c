use super::manifest::Manifest;

/// Most files of one package that are included.
const MOST: usize = 250;

/// What to include and to run.
pub(super) struct Files {
    /// Paths in the package, shallow ones first.
    pub(super) sources: Vec<String>,
    /// How many there were before the limit.
    pub(super) found: usize,
    /// Packed archives that PHP runs.
    pub(super) archives: Vec<String>,
}

/// Every PHP source of the package, other than its tests and programs.
pub(super) fn files(manifest: &Manifest<'_>) -> Files {
    let programs = manifest.programs();
    let plain = |path: &str| path.len() <= 300 && !path.chars().any(char::is_control);
    let mut sources: Vec<String> = manifest
        .files
        .iter()
        .filter(|path| plain(path) && path.ends_with(".php") && !is_aside(path))
        .map(|path| (*path).to_owned())
        .filter(|path| !programs.contains(path))
        .collect();
    let found = sources.len();
    sources.sort_by_key(|path| path.matches('/').count());
    sources.truncate(MOST);
    let phars = manifest
        .files
        .iter()
        .filter(|path| plain(path) && is_phar(manifest, path));
    Files {
        sources,
        found,
        archives: phars.take(20).map(|path| (*path).to_owned()).collect(),
    }
}

fn is_aside(path: &str) -> bool {
    const ASIDE: [&str; 7] = [
        "tests",
        "test",
        "examples",
        "docs",
        "doc",
        "benchmarks",
        "vendor",
    ];
    let mut folders = path.split('/').rev().skip(1);
    folders.any(|folder| ASIDE.contains(&folder.to_ascii_lowercase().as_str()))
}

/// By name, or by what PHP looks for.
fn is_phar(manifest: &Manifest<'_>, path: &str) -> bool {
    const END_OF_CODE: &[u8] = b"__HALT_COMPILER();";
    let has_stub = |bytes: &[u8]| {
        let stub = &bytes[..bytes.len().min(64 << 10)];
        let starts = [&b"<?php"[..], b"#!"]
            .iter()
            .any(|start| stub.starts_with(start));
        starts
            && stub
                .windows(END_OF_CODE.len())
                .any(|part| part == END_OF_CODE)
    };
    path.ends_with(".phar") || (!path.contains('.') && manifest.bytes(path).is_some_and(has_stub))
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::package;
    use super::*;

    #[test]
    fn sources_are_listed_but_no_tests_and_programs() {
        let archive = package(
            r#"{"name": "a/b", "bin": ["run.php"]}"#,
            &[
                ("a-b-1234/src/A.php", ""),
                ("a-b-1234/index.php", ""),
                ("a-b-1234/run.php", ""),
                ("a-b-1234/tests/ATest.php", ""),
                ("a-b-1234/tool.phar", ""),
                (
                    "a-b-1234/tool",
                    "#!/usr/bin/env php\n<?php __HALT_COMPILER(); ?>",
                ),
                ("a-b-1234/README", "x"),
            ],
        );
        let files = files(&Manifest::read(&archive).unwrap());
        assert_eq!(files.sources, ["index.php", "src/A.php"]);
        assert_eq!(files.archives, ["tool", "tool.phar"]);
    }
}
