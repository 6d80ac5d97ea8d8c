//! Files as text: encodings, characters that people do not see, code where people do not look.

/// Something odd about a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) kind: SignKind,
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignKind {
    /// A run of characters that show nothing but carry data.
    Invisible,
    /// Characters that turn the order of what is shown.
    Bidirectional,
    /// Code far to the right of a line that looks empty.
    FarRight,
}

/// A run of invisible characters from this length on carries data.
const MIN_INVISIBLE: usize = 16;
/// As many spaces in front of code put it out of sight.
const FAR: usize = 180;
/// Most signs of one file.
const MAX_SIGNS: usize = 20;

/// Oddities of a text.
pub(crate) fn signs(path: &str, text: &str) -> Vec<Sign> {
    let code = crate::lang::recognise(path, text.as_bytes()).is_some();
    let mut out = Vec::new();
    if text.is_ascii() && !code {
        return out;
    }
    for (at, line) in text.lines().enumerate() {
        if out.len() >= MAX_SIGNS {
            break;
        }
        let mut sign = |kind, detail: String| {
            out.push(Sign {
                kind,
                path: path.to_owned(),
                line: at as u32 + 1,
                detail,
            });
        };
        if !line.is_ascii() {
            let hidden = line.chars().filter(|c| is_invisible(*c)).count();
            if hidden >= MIN_INVISIBLE && longest_run(line) >= MIN_INVISIBLE {
                sign(
                    SignKind::Invisible,
                    format!("{hidden} invisible characters in one line"),
                );
            }
            if code && line.chars().any(is_override) {
                sign(
                    SignKind::Bidirectional,
                    "characters that turn what is shown".to_owned(),
                );
            }
        }
        if code && let Some(detail) = far_right(line) {
            sign(SignKind::FarRight, detail);
        }
    }
    out
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E01EF}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}'
        | '\u{FEFF}' | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{180B}'..='\u{180E}' | '\u{E000}'..='\u{F8FF}')
}

/// Overrides, which plain right-to-left text has no need of.
fn is_override(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn longest_run(line: &str) -> usize {
    let (mut run, mut longest) = (0, 0);
    for c in line.chars() {
        // Private-use characters are icons of fonts: one by one they are drawn.
        run = if is_invisible(c) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Code behind so many spaces that no window shows it.
fn far_right(line: &str) -> Option<String> {
    if line.len() < FAR {
        return None;
    }
    let trimmed = line.trim_start();
    let mut rest = trimmed;
    let mut before = line.len() - trimmed.len();
    // An indented line is one thing, code after a gap is another; both hide.
    loop {
        if before >= FAR && !rest.trim().is_empty() && rest.contains(['(', '=']) {
            let shown: String = rest.trim().chars().take(60).collect();
            return Some(format!("after {before} spaces: {shown}"));
        }
        let gap = rest.find("          ")?;
        let after = &rest[gap..];
        let code = after.trim_start();
        before = after.len() - code.len();
        if code.is_empty() {
            return None;
        }
        rest = code;
    }
}

/// What kind of machine code a file is, by its first bytes.
pub(crate) fn machine_code(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..4)?;
    Some(match head {
        b"\x7fELF" => "machine code (ELF)",
        [0xcf, 0xfa, 0xed, 0xfe] | [0xce, 0xfa, 0xed, 0xfe] => "machine code (Mach-O)",
        [0xca, 0xfe, 0xba, 0xbe] => "machine code (Mach-O or Java)",
        [b'M', b'Z', ..] if bytes.len() > 256 => "machine code (PE)",
        [0, b'a', b's', b'm'] => "machine code (WebAssembly)",
        [_, 0x0d, 0x0d, 0x0a] => "compiled Python",
        _ => return None,
    })
}

/// A file as text: UTF-8, UTF-16 by its mark, else Latin-1 where it looks like text.
pub(crate) fn decoded(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes {
        [0xff, 0xfe, rest @ ..] => return Some(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => return Some(utf16(rest, u16::from_be_bytes)),
        _ => {}
    }
    if bytes.iter().take(4096).any(|byte| *byte == 0) {
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => {
            let odd = bytes.iter().filter(|byte| **byte < 9).count();
            (odd == 0).then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
        }
    }
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| read(*pair));
    char::decode_utf16(units)
        .map(|c| c.unwrap_or('\u{fffd}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<SignKind> {
        signs("a.js", text).iter().map(|sign| sign.kind).collect()
    }

    #[test]
    fn hidden_text_is_found_and_ordinary_text_is_not() {
        let invisible: String = "\u{fe01}".repeat(40);
        assert_eq!(
            kinds(&format!("let a = '{invisible}'")),
            [SignKind::Invisible]
        );
        assert_eq!(kinds("let a /* \u{202e} */ = 1"), [SignKind::Bidirectional]);
        let far = format!("let a = 1;{}eval(b)", " ".repeat(300));
        assert_eq!(kinds(&far), [SignKind::FarRight]);
        assert!(kinds("let smile = '\u{2764}\u{fe0f}'; // שלום").is_empty());
        assert!(kinds(&format!("{}// note", " ".repeat(300))).is_empty());
    }

    #[test]
    fn text_is_read_in_its_own_encoding() {
        assert_eq!(decoded(b"\xff\xfeh\0i\0").as_deref(), Some("hi"));
        assert_eq!(decoded(b"caf\xe9").as_deref(), Some("café"));
        assert_eq!(decoded(b"a\0b"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            if let Some(text) = decoded(&bytes) {
                signs("a.py", &text);
            }
            machine_code(&bytes);
        }
    }
}
