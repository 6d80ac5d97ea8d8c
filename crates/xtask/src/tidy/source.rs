//! What must not stand in any file: names of registries, paths of one machine, notes to self, endless files.

use super::Tracked;

const MAX_LINES: usize = 700;

/// Written by tools, long by nature.
const GENERATED: &[&str] = &["Cargo.lock", "LICENSE"];

/// Endings of files that people write as code.
const CODE: &[&str] = &[
    "rs", "py", "js", "mjs", "cjs", "sh", "css", "toml", "Makefile",
];

/// Every adapter asks its ecosystem's own client which registry to use; a name in a file is a registry
/// compiled in. In two parts, so that this file is not one.
const REGISTRIES: &[(&str, &str)] = &[
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("static.crates", "io"),
    ("index.crates", "io"),
    ("rubygems", "org"),
    ("packagist", "org"),
    ("repo1.maven", "org"),
    ("proxy.golang", "org"),
];

/// Crates whose code names folders inside the sandbox, where root has a home as well.
const KNOWS_SANDBOX_PATHS: &[&str] = &[
    "sandbox",
    "trace",
    "ecosystems",
    "judge",
    "engine",
    "testkit",
];

pub(super) fn check(file: &Tracked) -> Vec<String> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if GENERATED.contains(&name) {
        return Vec::new();
    }
    let home = std::env::var("HOME").unwrap_or_default();
    let mut problems = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        let place = format!("{}:{}", file.path, at + 1);
        problems.extend(leaks(&file.path, line, &home).map(|leak| format!("{place}: {leak}")));
        if is_code(name) {
            problems.extend(notes_to_self(line).map(|note| format!("{place}: {note}")));
        }
    }
    let lines = file.text.lines().count();
    if is_code(name) && lines > MAX_LINES {
        let path = &file.path;
        problems.push(format!(
            "{path}: {lines} lines, more than {MAX_LINES}: it hides two ideas"
        ));
    }
    problems
}

fn is_code(name: &str) -> bool {
    CODE.contains(&name.rsplit('.').next().unwrap_or(name))
}

/// Names and paths that tie the project to a registry or a machine.
fn leaks<'a>(path: &'a str, line: &'a str, home: &'a str) -> impl Iterator<Item = String> {
    let registry = REGISTRIES
        .iter()
        .map(|(name, domain)| format!("{name}.{domain}"))
        .filter(|host| line.contains(host.as_str()))
        .map(|host| format!("names the registry {host}; ask the ecosystem's client instead"));
    let in_sandbox = KNOWS_SANDBOX_PATHS
        .iter()
        .any(|name| path.starts_with(&format!("crates/{name}/")));
    let mut folders = vec![concat!("/wo", "rk/").to_owned()];
    if !in_sandbox {
        folders.push(concat!("/ro", "ot/").to_owned());
    }
    if home.len() > 1 && home != concat!("/ro", "ot") {
        folders.push(format!("{home}/"));
    }
    let folder = folders
        .into_iter()
        .filter(|folder| starts_in(line, folder))
        .map(|folder| format!("names the folder {folder} of one machine"));
    registry.chain(folder)
}

/// Whether an absolute path that begins with `folder` stands in the line.
fn starts_in(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._~<>{}$-*/".contains(c))
    })
}

fn notes_to_self(line: &str) -> impl Iterator<Item = String> {
    [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("db", "g!"),
    ]
    .into_iter()
    .filter(|word| {
        line.match_indices(word).any(|(at, _)| {
            let inside = |c: char| c.is_alphanumeric() || c == '_';
            !line[..at].ends_with(inside) && !line[at + word.len()..].starts_with(inside)
        })
    })
    .map(|word| format!("has a {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&Tracked {
            path: path.into(),
            text: text.into(),
        })
    }

    #[test]
    fn a_registry_host_is_found_in_any_file() {
        let line = format!("see https://registry.{}.{}/x", "npmjs", "org");
        assert_eq!(problems("docs/a.md", &line).len(), 1);
        assert_eq!(
            problems("docs/a.md", "see https://registry.example/x").len(),
            0
        );
    }

    #[test]
    fn a_machine_path_is_found_and_a_path_inside_another_is_not() {
        let folder = concat!("/wo", "rk/");
        assert_eq!(problems("a.md", &format!("in `{folder}main`")).len(), 1);
        assert_eq!(
            problems("a.md", &format!("~{folder}main, /home/mara{folder}shop")).len(),
            0
        );
        let home = concat!("/ro", "ot/.ssh");
        assert_eq!(
            problems("crates/report/src/a.rs", &format!("\"{home}\"")).len(),
            1
        );
        assert_eq!(
            problems("crates/sandbox/src/a.rs", &format!("\"{home}\"")).len(),
            0
        );
    }

    #[test]
    fn notes_to_self_are_found_in_code_as_whole_words() {
        assert_eq!(problems("a.rs", concat!("// TO", "DO: later")).len(), 1);
        assert_eq!(problems("a.rs", concat!("db", "g!(x)")).len(), 1);
        assert_eq!(problems("a.rs", concat!("let TO", "DOS = 1;")).len(), 0);
        assert_eq!(problems("a.md", concat!("no TO", "DO in code")).len(), 0);
    }

    #[test]
    fn long_code_is_found_and_long_generated_files_are_not() {
        let long = "x\n".repeat(MAX_LINES + 1);
        assert_eq!(problems("crates/a/src/lib.rs", &long).len(), 1);
        assert_eq!(problems("Cargo.lock", &long).len(), 0);
        assert_eq!(problems("crates/a/tests/snapshots/a.snap", &long).len(), 0);
    }
}
