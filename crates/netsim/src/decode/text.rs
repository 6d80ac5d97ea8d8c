//! Decoders of text as a whole: percent encoding, JSON escapes, white space; and what text is.

use super::runs::hex_digit;

/// Encoded values looked at by themselves.
const VALUES: usize = 32;

/// Undoes `%41`; `plus` also turns `+` into a blank, as forms do. `None` where there is nothing to undo.
pub(super) fn percent(text: &[u8], plus: bool) -> Option<Vec<u8>> {
    if !text.contains(&if plus { b'+' } else { b'%' }) {
        return None;
    }
    let digit = |at: usize| text.get(at).copied().and_then(hex_digit);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut changed = false;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
                changed = true;
                continue;
            }
            (b'+', ..) if plus => {
                out.push(b' ');
                changed = true;
            }
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    changed.then_some(out)
}

/// Percent-encoded values (of a form, in quotes) that are binary once they are decoded, the first few. They are
/// wanted without what surrounds them: a deflate stream is only recognised at its start.
pub(super) fn binary_values(text: &[u8]) -> Vec<Vec<u8>> {
    if !text.contains(&b'%') {
        return Vec::new();
    }
    text.split(|b| b.is_ascii_whitespace() || b"&=\"'<>".contains(b))
        .filter_map(|value| percent(value, false).filter(|decoded| !is_text(decoded)))
        .take(VALUES)
        .collect()
}

/// Undoes the escapes of JSON strings (and `\xNN`) in the whole text. `None` where there are none.
pub(super) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b'\\') {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut changed = false;
    while at < text.len() {
        let (bytes, used) = if text[at] == b'\\' {
            escape(&text[at + 1..])
        } else {
            (None, 0)
        };
        match bytes {
            Some(character) => {
                let mut buffer = [0; 4];
                if character <= '\u{ff}' && text[at + 1] == b'x' {
                    out.push(character as u32 as u8);
                } else {
                    out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
                }
                at += 1 + used;
                changed = true;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    changed.then_some(out)
}

/// The character that follows a backslash stands for, and how many bytes spell it.
fn escape(after: &[u8]) -> (Option<char>, usize) {
    let number = |digits: usize| {
        after
            .get(1..=digits)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32)
    };
    match after.first() {
        Some(b'n') => (Some('\n'), 1),
        Some(b't') => (Some('\t'), 1),
        Some(b'r') => (Some('\r'), 1),
        Some(b'b') => (Some('\u{8}'), 1),
        Some(b'f') => (Some('\u{c}'), 1),
        Some(c @ (b'"' | b'\\' | b'/' | b'\'')) => (Some(char::from(*c)), 1),
        Some(b'u') => (number(4), 5),
        Some(b'x') => (number(2), 3),
        _ => (None, 0),
    }
}

/// UTF-16 text of mostly Latin letters with its zero bytes taken out.
pub(super) fn narrow(bytes: &[u8]) -> Option<Vec<u8>> {
    let zeros = bytes.iter().filter(|b| **b == 0).count();
    (bytes.len() >= 24 && zeros * 5 >= bytes.len() * 2)
        .then(|| bytes.iter().filter(|b| **b != 0).copied().collect())
}

/// The text without white space, if it has any.
pub(super) fn squeeze(text: &[u8]) -> Option<Vec<u8>> {
    let squeezed: Vec<u8> = text
        .iter()
        .filter(|b| !b.is_ascii_whitespace())
        .copied()
        .collect();
    (squeezed.len() != text.len()).then_some(squeezed)
}

/// Whether bytes are mostly readable, so that text decoders may find something in them.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let plain = |b: &u8| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    let sample = &bytes[..bytes.len().min(4096)];
    let readable = sample.iter().filter(|b| plain(b)).count();
    readable * 20 >= sample.len() * 17
        || (readable * 2 >= sample.len()
            && !sample.contains(&0)
            && std::str::from_utf8(bytes).is_ok())
}

/// What kind of container a text is, for the layer chain: it needs no decoding by itself.
pub(super) fn container(text: &[u8]) -> Option<&'static str> {
    let trimmed = text.trim_ascii();
    let (first, last) = (trimmed.first()?, trimmed.last()?);
    if matches!((first, last), (b'{', b'}') | (b'[', b']')) {
        return Some("json");
    }
    let name = trimmed
        .iter()
        .take_while(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'%')
        })
        .count();
    let is_form = name > 0
        && name <= 64
        && trimmed.get(name) == Some(&b'=')
        && trimmed.get(name + 1).is_some_and(|b| *b != b'=')
        && !trimmed.iter().any(u8::is_ascii_whitespace);
    is_form.then_some("form")
}
