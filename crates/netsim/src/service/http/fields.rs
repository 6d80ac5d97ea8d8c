//! The fields of a request in which a piece of something larger may be carried.

/// Fields looked at per request.
const FIELDS: usize = 32;
/// Longest body taken for a piece.
const BODY: usize = 16 << 10;

/// Values of the query, parts of the path, and the body: its values where it is a form or JSON, else as a whole.
pub(super) fn of(target: &[u8], body: &[u8]) -> Vec<Vec<u8>> {
    let (path, query) = cut(target, b'?').unwrap_or((target, b""));
    let mut fields: Vec<Vec<u8>> = values(query).collect();
    let parts = path.split(|b| *b == b'/').filter(|part| !part.is_empty());
    fields.extend(parts.map(<[u8]>::to_vec));
    if !body.is_empty() && body.len() <= BODY {
        match body.first() {
            Some(b'{' | b'[') => fields.extend(json(body)),
            _ if is_form(body) => fields.extend(values(body)),
            _ => fields.push(body.to_vec()),
        }
    }
    fields.truncate(FIELDS);
    fields
}

fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let found = text.iter().position(|b| *b == at)?;
    Some((&text[..found], &text[found + 1..]))
}

fn is_form(body: &[u8]) -> bool {
    body.contains(&b'=') && body.iter().all(|b| b.is_ascii_graphic())
}

fn values(form: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    form.split(|b| *b == b'&')
        .map(|pair| cut(pair, b'=').map_or(pair, |(_, value)| value).to_vec())
        .filter(|value| !value.is_empty())
}

/// Numbers and strings that are no names, escapes left as they are.
fn json(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() && found.len() < FIELDS {
        let start = at;
        match text[at] {
            b'"' => {
                at += 1;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                let value = &text[start + 1..at.min(text.len())];
                at += 1;
                let rest = text.get(at..).unwrap_or_default().trim_ascii_start();
                if rest.first() != Some(&b':') {
                    found.push(value.to_vec());
                }
            }
            b'0'..=b'9' => {
                while at < text.len() && text[at].is_ascii_digit() {
                    at += 1;
                }
                found.push(text[start..at].to_vec());
            }
            _ => at += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(target: &str, body: &str) -> Vec<String> {
        of(target.as_bytes(), body.as_bytes())
            .into_iter()
            .map(|field| String::from_utf8_lossy(&field).into_owned())
            .collect()
    }

    #[test]
    fn values_are_taken_from_wherever_they_stand() {
        assert_eq!(words("/p/x.gif?n=1&d=abc", ""), ["1", "abc", "p", "x.gif"]);
        assert_eq!(words("/", "i=2&part=xyz"), ["2", "xyz"]);
        assert_eq!(
            words("/", r#"{"i": 3, "d": "a\"b", "e": ["f"]}"#),
            ["3", r#"a\"b"#, "f"]
        );
        assert_eq!(words("/", "just text"), ["just text"]);
    }

    #[test]
    fn broken_json_ends() {
        assert_eq!(words("/", r#"{"a": "b"#), ["b"]);
        assert_eq!(words("/", r#"{"a\"#), [r#"a\"#]);
    }
}
