use apa_model::{Hostile, report::Report};
use serde::Serialize;

pub(crate) fn render(report: &Report) -> String {
    pretty(report)
}

/// Indented, for any of the model's documents.
pub(crate) fn pretty(document: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(document)
        .expect("a document has only string keys and no fallible serialisers");
    escaped(&json)
}

/// In one line, for any of the model's documents.
pub(crate) fn line(document: &impl Serialize) -> String {
    let json = serde_json::to_string(document)
        .expect("a document has only string keys and no fallible serialisers");
    escaped(&json)
}

fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if is_shown(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out.push('\n');
    out
}

/// Whether a character can stay. Characters below the space are the layout's own newlines: inside strings
/// they are escaped already, and so every character that is escaped here stands inside a string.
fn is_shown(c: char) -> bool {
    if c.is_ascii() {
        return c != '\u{7f}';
    }
    let mut plain = [0; 4];
    let plain: &str = c.encode_utf8(&mut plain);
    Hostile::from(plain).to_string() == plain
}
