//! PHP's list of extensions. Distributions build even basic ones as modules that `/etc/php` names; the rest of that
//! folder is the operator's configuration.

use std::fs;
use std::path::{Path, PathBuf};

/// Largest configuration file that is looked at, bytes.
const LARGEST: u64 = 64 << 10;
/// Most files of one folder.
const MOST: usize = 200;

/// The files below `etc` that name extensions, reduced to those lines: path below it, and text.
pub(super) fn extensions(etc: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // Debian: /etc/php/8.2/cli/conf.d; Fedora and others: /etc/php.d.
    let mut folders = vec![PathBuf::from("php.d")];
    for version in names(&etc.join("php")) {
        folders.push(Path::new("php").join(version).join("cli/conf.d"));
    }
    for folder in folders {
        let mut files = names(&etc.join(&folder));
        files.sort();
        for name in files
            .into_iter()
            .filter(|name| name.ends_with(".ini"))
            .take(MOST)
        {
            let path = folder.join(&name);
            if let Some(text) = reduced(&etc.join(&path)) {
                found.push((path.to_string_lossy().into_owned(), text));
            }
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn reduced(file: &Path) -> Option<String> {
    let small = fs::metadata(file).is_ok_and(|data| data.is_file() && data.len() <= LARGEST);
    let text = fs::read_to_string(file).ok().filter(|_| small)?;
    let lines: String = text
        .lines()
        .filter(|line| is_extension(line))
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    (!lines.is_empty()).then_some(lines)
}

/// `extension=zip.so`; anything that names a place outside PHP's own folder is left out.
fn is_extension(line: &str) -> bool {
    let Some((key, value)) = line.trim().split_once('=') else {
        return false;
    };
    let value = value.trim();
    matches!(key.trim(), "extension" | "zend_extension")
        && !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_extensions_are_shown() {
        let etc = tempfile::tempdir().unwrap();
        let folder = etc.path().join("php/8.2/cli/conf.d");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write("20-zip.ini", "; comment\nextension=zip.so\n");
        write(
            "99-own.ini",
            "license.key = secret\nextension = /opt/own.so\n",
        );
        write(
            "10-cache.ini",
            "zend_extension=opcache.so\nopcache.secret=1\n",
        );
        write("notes.txt", "extension=x.so");
        let found = extensions(etc.path());
        assert_eq!(
            found,
            [
                (
                    "php/8.2/cli/conf.d/10-cache.ini".to_owned(),
                    "zend_extension=opcache.so\n".to_owned()
                ),
                (
                    "php/8.2/cli/conf.d/20-zip.ini".to_owned(),
                    "extension=zip.so\n".to_owned()
                ),
            ]
        );
    }
}
