//! Pages that must be there, and links in pages that must lead somewhere.

use std::path::Path;

use super::Tracked;

const PAGES: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "docs/report-format.md",
];

/// The page of the bird's-eye view stays short enough to be read.
const ARCHITECTURE: (&str, usize) = ("ARCHITECTURE.md", 250);

pub(super) fn check(root: &Path, files: &[Tracked]) -> Vec<String> {
    let mut problems: Vec<String> = PAGES
        .iter()
        .filter(|page| !files.iter().any(|file| file.path == **page))
        .map(|page| format!("{page}: is missing"))
        .collect();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let lines = file.text.lines().count();
        if file.path == ARCHITECTURE.0 && lines > ARCHITECTURE.1 {
            problems.push(format!(
                "{}: {lines} lines, more than {}",
                file.path, ARCHITECTURE.1
            ));
        }
        let folder = root.join(&file.path);
        let folder = folder.parent().unwrap_or(root);
        for link in links(&file.text) {
            if !folder.join(link).exists() {
                problems.push(format!("{}: the link to {link} leads nowhere", file.path));
            }
        }
    }
    problems
}

/// Targets of links inside the project, without their anchors.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|link| !link.contains(':'))
        .filter_map(|link| link.split('#').next())
        .filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_inside_the_project_are_followed() {
        let text = "[a](docs/a.md#x) [b](https://b.example/) [c](#c) ![d](d.png \"d\")";
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/a.md", "d.png"]);
    }

    #[test]
    fn a_missing_page_and_a_dead_link_are_found() {
        let files = [Tracked {
            path: "README.md".into(),
            text: "[x](no-such-file.md)".into(),
        }];
        let folder = tempfile::tempdir().unwrap();
        let problems = check(folder.path(), &files);
        assert_eq!(problems.len(), PAGES.len() - 1 + 1);
    }
}
