//! Fields of `multipart/form-data`.

/// Parts looked at.
const PARTS: usize = 64;

/// One part: its name, the name of its file if it is one, its bytes.
pub(crate) struct Part<'a> {
    pub(crate) name: String,
    pub(crate) file: Option<String>,
    pub(crate) bytes: &'a [u8],
}

/// The parts of a body, at most 64; what is malformed ends them.
pub(crate) fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<Part<'a>> {
    let mut found = Vec::new();
    let line = [b"--", boundary].concat();
    let Some(mut rest) = after(body, &line).filter(|_| !boundary.is_empty()) else {
        return found;
    };
    let end = [b"\r\n", line.as_slice()].concat();
    while found.len() < PARTS {
        let Some(start) = rest.strip_prefix(b"\r\n") else {
            break;
        };
        let Some(split) = position(start, b"\r\n\r\n") else {
            break;
        };
        let (head, content) = (&start[..split], &start[split + 4..]);
        let length = position(content, &end).unwrap_or(content.len());
        let head = String::from_utf8_lossy(head);
        if let Some(name) = attribute(&head, "name") {
            let file = attribute(&head, "filename");
            let bytes = &content[..length];
            found.push(Part { name, file, bytes });
        }
        rest = content.get(length + end.len()..).unwrap_or_default();
    }
    found
}

/// The first part of this name.
pub(crate) fn field(body: &[u8], boundary: &[u8], name: &str) -> Option<Vec<u8>> {
    let part = parts(body, boundary)
        .into_iter()
        .find(|part| part.name == name)?;
    Some(part.bytes.to_vec())
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        line.to_ascii_lowercase()
            .starts_with("content-disposition:")
    })?;
    line.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim().eq_ignore_ascii_case(name)).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|b| *b == first) {
        if text[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn after<'a>(text: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    position(text, wanted).map(|at| &text[at + wanted.len()..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n7\r\n--b\r\n\
Content-Disposition: form-data; name=\"document\"; filename=\"a.zip\"\r\nContent-Type: x/y\r\n\r\nPK\r\n--x\r\n--b--\r\n";

    #[test]
    fn parts_have_names_files_and_exact_bytes() {
        let parts = parts(BODY, b"b");
        let told: Vec<_> = parts
            .iter()
            .map(|part| (part.name.as_str(), part.file.as_deref(), part.bytes))
            .collect();
        assert_eq!(
            told,
            [
                ("chat_id", None, &b"7"[..]),
                ("document", Some("a.zip"), b"PK\r\n--x")
            ]
        );
        assert_eq!(field(BODY, b"b", "chat_id").as_deref(), Some(&b"7"[..]));
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, cut in 0..BODY.len(), boundary in "[b-]{0,2}") {
            parts(&body, boundary.as_bytes());
            parts(&BODY[cut..], b"b");
            parts(&BODY[..cut], b"b");
        }
    }
}
