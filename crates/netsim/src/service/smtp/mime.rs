//! Takes a mail apart.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Parts of one mail, and how deep they may lie in each other.
const PARTS: usize = 64;
const DEPTH: usize = 6;
/// Bytes of a header that are looked at.
const HEADER: usize = 32 << 10;

/// Takes base64 as mailers write it: with or without the end, and with bits too many.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A mail taken apart.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) subject: Option<Vec<u8>>,
    /// Leaves of a multipart mail in order, or the content of one that is encoded; none for a plain one, whose text
    /// the mail itself shows.
    pub(super) parts: Vec<Part>,
    /// There were more parts than are kept.
    pub(super) cut: bool,
}

pub(super) struct Part {
    /// `text/plain`, lower case.
    pub(super) kind: Vec<u8>,
    pub(super) name: Option<Vec<u8>>,
    /// Decoded.
    pub(super) content: Vec<u8>,
}

/// Takes a mail apart.
pub(super) fn parts(mail: &[u8]) -> Parsed {
    let (header, body) = split(mail);
    let mut parsed = Parsed {
        subject: field(header, "subject"),
        ..Parsed::default()
    };
    let multipart = field(header, "content-type").is_some_and(|kind| starts(&kind, b"multipart/"));
    if multipart || field(header, "content-transfer-encoding").is_some_and(|how| is_coded(&how)) {
        walk(header, body, 0, &mut parsed);
    }
    parsed
}

fn walk(header: &[u8], body: &[u8], depth: usize, parsed: &mut Parsed) {
    let kind = field(header, "content-type").unwrap_or_else(|| b"text/plain".to_vec());
    let boundary = starts(&kind, b"multipart/")
        .then(|| parameter(&kind, "boundary"))
        .flatten();
    if let Some(boundary) = boundary.filter(|_| depth < DEPTH) {
        for piece in pieces(body, &boundary) {
            if parsed.parts.len() >= PARTS {
                parsed.cut = true;
                return;
            }
            let (header, body) = split(piece);
            walk(header, body, depth + 1, parsed);
        }
        return;
    }
    let disposition = field(header, "content-disposition").unwrap_or_default();
    let name = parameter(&disposition, "filename").or_else(|| parameter(&kind, "name"));
    let how = field(header, "content-transfer-encoding").unwrap_or_default();
    let end = kind
        .iter()
        .position(|b| matches!(b, b';' | b' '))
        .unwrap_or(kind.len());
    parsed.parts.push(Part {
        kind: kind[..end].to_ascii_lowercase(),
        name,
        content: decoded(body, &how),
    });
}

/// Header and body.
fn split(entity: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in entity.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii().is_empty() {
            return (&entity[..at.min(HEADER)], &entity[at + line.len()..]);
        }
        at += line.len();
        if at > HEADER {
            break;
        }
    }
    (&entity[..entity.len().min(HEADER)], b"")
}

/// The value of a header field, its continuation lines joined.
fn field(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut lines = header.split(|b| *b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let Some(at) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        if !line[..at]
            .trim_ascii()
            .eq_ignore_ascii_case(name.as_bytes())
        {
            continue;
        }
        let mut value = line[at + 1..].trim_ascii().to_vec();
        while let Some(more) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            value.push(b' ');
            value.extend_from_slice(more.trim_ascii());
        }
        return Some(value);
    }
    None
}

/// The value of a parameter in `kind; name="value"; …`.
fn parameter(value: &[u8], name: &str) -> Option<Vec<u8>> {
    for piece in value.split(|b| *b == b';').skip(1) {
        let Some(at) = piece.iter().position(|b| *b == b'=') else {
            continue;
        };
        let given = piece[..at].trim_ascii();
        let given = given.strip_suffix(b"*").unwrap_or(given);
        if given.eq_ignore_ascii_case(name.as_bytes()) {
            let text = piece[at + 1..].trim_ascii();
            let text = text.strip_prefix(b"\"").unwrap_or(text);
            let text = text.strip_suffix(b"\"").unwrap_or(text);
            return (!text.is_empty()).then(|| text.to_vec());
        }
    }
    None
}

/// What lies between the boundary lines.
fn pieces<'b>(body: &'b [u8], boundary: &[u8]) -> Vec<&'b [u8]> {
    let mut found = Vec::new();
    let (mut at, mut start) = (0, None);
    for line in body.split_inclusive(|b| *b == b'\n') {
        let rest = line
            .strip_prefix(b"--")
            .and_then(|rest| rest.strip_prefix(boundary));
        if let Some(rest) = rest.map(<[u8]>::trim_ascii)
            && matches!(rest, b"" | b"--")
        {
            if let Some(start) = start {
                found.push(&body[start..at]);
            }
            start = rest.is_empty().then_some(at + line.len());
        }
        if found.len() > PARTS {
            break;
        }
        at += line.len();
    }
    found.extend(start.map(|start| &body[start.min(at)..at]));
    found
}

fn is_coded(how: &[u8]) -> bool {
    how.eq_ignore_ascii_case(b"base64") || how.eq_ignore_ascii_case(b"quoted-printable")
}

/// Undoes the encoding; what is broken stays as it is.
fn decoded(body: &[u8], how: &[u8]) -> Vec<u8> {
    if how.eq_ignore_ascii_case(b"base64") {
        let text: Vec<u8> = body
            .iter()
            .copied()
            .filter(|b| !b.is_ascii_whitespace())
            .collect();
        return LENIENT.decode(&text).unwrap_or_else(|_| body.to_vec());
    }
    if how.eq_ignore_ascii_case(b"quoted-printable") {
        return unquoted(body);
    }
    body.to_vec()
}

fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        match (first, more) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => {
                let digit = |b: &u8| {
                    char::from(*b)
                        .to_digit(16)
                        .and_then(|d| u8::try_from(d).ok())
                };
                match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => {
                        out.push(high << 4 | low);
                        rest = after;
                    }
                    _ => out.push(b'='),
                }
            }
            _ => out.push(*first),
        }
    }
    out
}

fn starts(value: &[u8], with: &[u8]) -> bool {
    value.len() >= with.len() && value[..with.len()].eq_ignore_ascii_case(with)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAIL: &str = "Subject: two\r\n parts\r\nContent-Type: multipart/mixed;\r\n boundary=\"=_b\"\r\n\r\npreamble\r\n--=_b\r\n\
Content-Type: Text/HTML; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc\r\n--=_b\r\n\
Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\nContent-Type: application/zip; name=x.zip\r\n\
Content-Transfer-Encoding: base64\r\n\r\nUEsF\r\nBg\r\n--in--\r\n--=_b--\r\nafter";

    #[test]
    fn nested_parts_are_found_and_decoded() {
        let parsed = parts(MAIL.as_bytes());
        assert_eq!(parsed.subject.as_deref(), Some(&b"two parts"[..]));
        let found: Vec<_> = parsed
            .parts
            .iter()
            .map(|p| (&p.kind[..], p.name.as_deref(), &p.content[..]))
            .collect();
        assert_eq!(found[0], (&b"text/html"[..], None, &b"a=bc\r\n"[..]));
        assert_eq!(
            found[1],
            (
                &b"application/zip"[..],
                Some(&b"x.zip"[..]),
                &b"PK\x05\x06"[..]
            )
        );
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_plain_mail_has_no_parts_and_many_are_cut() {
        assert!(parts(b"Subject: x\r\n\r\nhello").parts.is_empty());
        let many = format!(
            "Content-Type: multipart/mixed; boundary=b\n\n{}",
            "--b\n\nx\n".repeat(1000)
        );
        let parsed = parts(many.as_bytes());
        assert_eq!((parsed.parts.len(), parsed.cut), (PARTS, true));
    }

    #[test]
    fn parts_in_parts_end() {
        let mut mail = String::new();
        for _ in 0..50 {
            mail.push_str("Content-Type: multipart/mixed; boundary=b\n\n--b\n");
        }
        assert_eq!(parts(mail.as_bytes()).parts.len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0..MAIL.len(), byte: u8) {
            parts(&bytes);
            let mut mail = MAIL.as_bytes().to_vec();
            mail[at] = byte;
            parts(&mail);
            parts(&mail[..at]);
            unquoted(&bytes);
        }
    }
}
