//! Small text helpers that both ecosystems need.

use std::cmp::Reverse;

use apa_model::Hostile;

/// A file name that is safe in a path and a command line, or `None` when `name` is not one already.
pub(crate) fn plain_filename(name: &str) -> Option<&str> {
    let plain = !name.is_empty()
        && name.len() <= 200
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
    plain.then_some(name)
}

/// `text` with every character that is not plain in a file name replaced.
pub(crate) fn to_plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || "._+".contains(c) => c,
            _ => '-',
        })
        .take(100)
        .collect::<String>()
        .trim_start_matches(['-', '.'])
        .to_owned()
}

/// Which versions to offer instead of `wanted`: those that begin most like it, else the newest. `versions` is
/// sorted from old to new.
pub(crate) fn other_versions(wanted: &str, versions: &[String]) -> Hostile {
    if versions.is_empty() {
        return "the registry lists no version of it".into();
    }
    let common = |version: &str| {
        wanted
            .bytes()
            .zip(version.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let mut near: Vec<_> = versions.iter().rev().enumerate().collect();
    near.sort_by_key(|(age, version)| (Reverse(common(version)), *age));
    let shown: Vec<_> = near
        .iter()
        .take(3)
        .map(|(_, version)| version.as_str())
        .collect();
    let newest = versions.last().map_or("", String::as_str);
    format!(
        "the nearest versions are {}; the newest is {newest}",
        shown.join(", ")
    )
    .into()
}

/// The first `max` characters of what is in a manifest, in one line, for a detail.
pub(crate) fn excerpt(text: &str, max: usize) -> Hostile {
    Hostile::from(text).shortened(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_versions_come_first() {
        let versions: Vec<String> = ["1.2.0", "1.3.0", "1.3.1", "2.0.0"]
            .map(String::from)
            .into();
        let hint = other_versions("1.3.7", &versions).to_string();
        assert_eq!(
            hint,
            "the nearest versions are 1.3.1, 1.3.0, 1.2.0; the newest is 2.0.0"
        );
    }

    #[test]
    fn names_that_a_shell_or_path_could_misread_are_not_plain() {
        for name in ["", "../x", "-rf", "a b", "a;b", "a/b", ".x", "a\n"] {
            assert_eq!(plain_filename(name), None, "{name:?}");
            assert!(!to_plain(name).contains(['/', ' ', ';', '\n']), "{name:?}");
        }
        assert_eq!(plain_filename("a-1.0+x.tgz"), Some("a-1.0+x.tgz"));
    }
}
