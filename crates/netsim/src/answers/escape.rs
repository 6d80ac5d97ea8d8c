//! How a value is written into a text of some kind.

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Between the quotes of a JSON string.
    Json,
    /// Text or an attribute of XML or HTML.
    Xml,
    /// A header line's value.
    Line,
    /// As it is.
    None,
}

impl Escape {
    pub(crate) fn write(self, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::None => out.extend_from_slice(value),
            Self::Line => out.extend(value.iter().filter(|b| (0x20..0x7f).contains(*b))),
            Self::Json => json(&String::from_utf8_lossy(value), out),
            Self::Xml => {
                for c in String::from_utf8_lossy(value).chars() {
                    match c {
                        '&' => out.extend_from_slice(b"&amp;"),
                        '<' => out.extend_from_slice(b"&lt;"),
                        '>' => out.extend_from_slice(b"&gt;"),
                        '"' => out.extend_from_slice(b"&quot;"),
                        '\'' => out.extend_from_slice(b"&#39;"),
                        c if c < ' ' && !"\t\n\r".contains(c) => {}
                        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
            }
        }
    }
}

fn json(value: &str, out: &mut Vec<u8>) {
    for c in value.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c < ' ' => out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(escape: Escape, value: &[u8]) -> String {
        let mut out = Vec::new();
        escape.write(value, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(
            written(Escape::Json, b"a\"b\\\n\x01"),
            "a\\\"b\\\\\\n\\u0001"
        );
        assert_eq!(
            written(Escape::Xml, b"<a b='&'>"),
            "&lt;a b=&#39;&amp;&#39;&gt;"
        );
        assert_eq!(
            written(Escape::Line, b"a\r\nSet-Cookie: x"),
            "aSet-Cookie: x"
        );
        assert_eq!(written(Escape::None, b"<\"\n"), "<\"\n");
    }

    proptest! {
        #[test]
        fn every_value_is_a_json_string(value: Vec<u8>) {
            let text = format!("\"{}\"", written(Escape::Json, &value));
            prop_assert!(serde_json::from_str::<String>(&text).is_ok());
        }
    }
}
