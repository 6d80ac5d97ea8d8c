use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes chosen by a package: a path, an argument, a host name, a header.
///
/// * `Display` and `Debug` escape control characters, bidirectional and invisible characters and
///   invalid UTF-8 as `\xNN` or `\u{N}`, so that a terminal or a log shows them and obeys none.
/// * Serialised it is a JSON string that keeps every byte: valid UTF-8 stands as it is, any other byte
///   becomes `\xNN`, and a genuine `\x` becomes `\x5cx`. Reading reverses that.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostile(Vec<u8>);

impl Hostile {
    /// Wraps bytes; nothing is checked or changed.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as the package gave them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text with invalid UTF-8 replaced. For matching; never for output.
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The bytes, given up.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first `max` bytes, with `…` where something was cut. For display and bounded storage.
    pub fn shortened(&self, max: usize) -> Self {
        if self.0.len() <= max {
            return self.clone();
        }
        let mut end = max;
        while end > 0 && (self.0[end] & 0xC0) == 0x80 {
            end -= 1;
        }
        let mut bytes = self.0[..end].to_vec();
        bytes.extend_from_slice("…".as_bytes());
        Self(bytes)
    }

    fn encode(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            out.push_str(&chunk.valid().replace("\\x", "\\x5cx"));
            for byte in chunk.invalid() {
                out.push_str(&format!("\\x{byte:02x}"));
            }
        }
        out
    }

    fn decode(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let escaped = bytes[at..]
                .strip_prefix(b"\\x")
                .and_then(|rest| rest.get(..2))
                .and_then(|hex| std::str::from_utf8(hex).ok())
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            if let Some(byte) = escaped {
                out.push(byte);
                at += 4;
            } else {
                out.push(bytes[at]);
                at += 1;
            }
        }
        Self(out)
    }
}

/// Whether a character may reach a person's screen as it is.
fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202F}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'))
}

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    c if is_plain(c) => f.write_char(c)?,
                    c => write!(f, "\\u{{{:x}}}", c as u32)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl From<&str> for Hostile {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Hostile {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&[u8]> for Hostile {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Hostile {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Hostile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.encode())
    }
}

impl<'de> Deserialize<'de> for Hostile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::decode(&Cow::<str>::deserialize(deserializer)?))
    }
}

impl JsonSchema for Hostile {
    fn schema_name() -> Cow<'static, str> {
        "Hostile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "bytes chosen by the package; a byte that is not valid UTF-8 stands as \\xNN, a genuine \\x as \\x5cx"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn display_obeys_no_terminal_escape() {
        let text = Hostile::new(b"a\x1b[2J\r\n\xff\xe2\x80\xaeb".to_vec()).to_string();
        assert_eq!(text, "a\\u{1b}[2J\\r\\n\\xff\\u{202e}b");
    }

    proptest! {
        #[test]
        fn json_keeps_every_byte(bytes: Vec<u8>) {
            let json = serde_json::to_string(&Hostile::new(bytes.clone())).unwrap();
            let back: Hostile = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(back.as_bytes(), &bytes[..]);
        }

        #[test]
        fn json_keeps_text_that_looks_escaped(text in "(\\\\|x|5c|41|a)*") {
            let back: Hostile =
                serde_json::from_str(&serde_json::to_string(&Hostile::from(text.as_str())).unwrap()).unwrap();
            prop_assert_eq!(back.as_bytes(), text.as_bytes());
        }

        #[test]
        fn display_never_prints_a_control_character(bytes: Vec<u8>) {
            prop_assert!(!Hostile::new(bytes).to_string().chars().any(char::is_control));
        }
    }
}
