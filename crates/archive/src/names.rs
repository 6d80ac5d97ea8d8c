//! Judges entry names and link targets without touching a file system.

use crate::limits::Limits;

/// What a name comes to.
pub(crate) struct Judged {
    pub(crate) safe: Option<String>,
    /// Kind and words of what is odd.
    pub(crate) odd: Vec<(&'static str, &'static str)>,
}

/// Judges the name of an entry.
pub(crate) fn judge(raw: &[u8], limits: &Limits) -> Judged {
    let mut odd = Vec::new();
    let mut usable = true;
    if raw.is_empty() {
        odd.push(("empty-name", "the entry has no name"));
        usable = false;
    }
    if raw.contains(&0) {
        odd.push(("control-character-name", "the name holds a NUL byte"));
        usable = false;
    }
    if raw.len() > limits.path_bytes || raw.split(|b| *b == b'/').any(|part| part.len() > 255) {
        odd.push(("name-too-long", "no file system takes a name this long"));
        usable = false;
    }
    let text = std::str::from_utf8(raw);
    match text {
        Ok(text) => odd_characters(text, &mut odd),
        Err(_) => odd.push(("invalid-utf8-name", "the name is not valid UTF-8")),
    }
    if raw.starts_with(b"/") {
        odd.push(("absolute-path", "the name is absolute"));
    }
    if let Some(leaves) = windows(raw) {
        odd.push((
            "windows-path",
            "the name is a drive, network or backslash path on Windows",
        ));
        usable &= !leaves;
    }
    let parts = resolve(&[], raw);
    if raw.split(|b| *b == b'/').any(|part| part == b"..") {
        odd.push(match parts {
            Some(_) => ("path-traversal", "the name climbs with .. but stays inside"),
            None => ("path-traversal", "the name leaves the archive"),
        });
    }
    let safe = parts
        .filter(|_| usable)
        .filter(|parts| {
            let deep = parts.len() > limits.depth + 1;
            if deep {
                odd.push(("path-too-deep", "more folders than the limit"));
            }
            !deep
        })
        .and_then(|parts| String::from_utf8(parts.join(&b'/')).ok());
    Judged { safe, odd }
}

/// Whether a link leaves the archive. `folder` is the safe path of the folder a relative target starts
/// from: the link's own for a symbolic link, the root for a hard link.
pub(crate) fn link_leaves(folder: &str, target: &[u8]) -> bool {
    target.starts_with(b"/")
        || target.contains(&0)
        || windows(target).unwrap_or(false)
        || resolve(folder.as_bytes(), target).is_none()
}

/// The parts of `name` seen from `folder`; `None` if it climbs out. A leading `/` is ignored.
fn resolve<'a>(folder: &'a [u8], name: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let mut parts = Vec::new();
    for part in folder
        .split(|b| *b == b'/')
        .chain(name.split(|b| *b == b'/'))
    {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts)
}

/// `Some` if Windows reads the name differently; true if it would then leave the folder.
fn windows(raw: &[u8]) -> Option<bool> {
    let drive = raw.len() >= 2 && raw[0].is_ascii_alphabetic() && raw[1] == b':';
    if !drive && !raw.contains(&b'\\') {
        return None;
    }
    let slashed: Vec<u8> = raw
        .iter()
        .map(|b| if *b == b'\\' { b'/' } else { *b })
        .collect();
    Some(drive || slashed.starts_with(b"/") || resolve(&[], &slashed).is_none())
}

fn odd_characters(name: &str, odd: &mut Vec<(&'static str, &'static str)>) {
    if name.chars().any(|c| c.is_control() && c != '\0') {
        odd.push((
            "control-character-name",
            "the name holds a control character",
        ));
    }
    let misleading = |c| {
        matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
    };
    if name.chars().any(misleading) {
        odd.push((
            "misleading-name",
            "the name holds an invisible or direction-changing character",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str) -> (Option<String>, Vec<&'static str>) {
        let judged = judge(name.as_bytes(), &Limits::default());
        (judged.safe, judged.odd.iter().map(|odd| odd.0).collect())
    }

    #[test]
    fn a_name_is_normalised_or_refused() {
        for (name, safe, kinds) in [
            ("package/a.js", Some("package/a.js"), vec![]),
            ("./a//b/./c", Some("a/b/c"), vec![]),
            ("a/../b", Some("b"), vec!["path-traversal"]),
            ("../b", None, vec!["path-traversal"]),
            ("a/../../b", None, vec!["path-traversal"]),
            ("/etc/x", Some("etc/x"), vec!["absolute-path"]),
            ("C:/x", None, vec!["windows-path"]),
            ("\\\\host\\x", None, vec!["windows-path"]),
            ("..\\x", None, vec!["windows-path"]),
            ("a\\b", Some("a\\b"), vec!["windows-path"]),
            ("a\0b", None, vec!["control-character-name"]),
            ("a\x1b[2J", Some("a\x1b[2J"), vec!["control-character-name"]),
            ("a\u{202e}b", Some("a\u{202e}b"), vec!["misleading-name"]),
            ("", None, vec!["empty-name"]),
        ] {
            assert_eq!(judged(name), (safe.map(str::to_owned), kinds), "{name:?}");
        }
        assert_eq!(judged(&"a/".repeat(200)), (None, vec!["path-too-deep"]));
        assert_eq!(judged(&"a".repeat(300)), (None, vec!["name-too-long"]));
        let invalid = judge(b"a\xff", &Limits::default());
        assert_eq!(
            (invalid.safe, invalid.odd[0].0),
            (None, "invalid-utf8-name")
        );
    }

    #[test]
    fn a_link_may_point_sideways_but_not_out() {
        assert!(!link_leaves("package/lib", b"../bin/x"));
        assert!(link_leaves("package/lib", b"../../../x"));
        assert!(link_leaves("package", b"/etc/passwd"));
        assert!(link_leaves("", b"..\\x"));
    }
}
