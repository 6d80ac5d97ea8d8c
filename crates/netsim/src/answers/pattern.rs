//! Globs with names: `/bot{token}/send*`, `*.example`, `/repos/**`.

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `*`: anything without a slash, perhaps nothing.
    Star,
    /// `**`: anything.
    Rest,
    /// `{name}`: at least one character, no slash.
    Name(String),
}

/// A glob over a whole text. `*` and `{name}` stop at a slash, `**` does not; `\` takes the next character as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

/// What stood where a pattern has names.
pub(crate) type Captures = Vec<(String, String)>;

/// Attempts at one text, so that a pattern of many stars ends.
const ATTEMPTS: u32 = 20_000;

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let piece = match c {
                '\\' => {
                    plain.push(rest.next().ok_or("a pattern ends with \\")?);
                    continue;
                }
                '*' if rest.next_if_eq(&'*').is_some() => Piece::Rest,
                '*' => Piece::Star,
                '{' => {
                    let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    let proper = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    if name.is_empty() || !name.chars().all(proper) {
                        return Err(format!(
                            "`{{{name}}}` is no name; use letters, digits and _"
                        ));
                    }
                    Piece::Name(name)
                }
                c => {
                    plain.push(c);
                    continue;
                }
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// What the names stand for, if all of `text` fits.
    pub(crate) fn fits(&self, text: &str) -> Option<Captures> {
        let mut captures = Vec::new();
        let mut left = ATTEMPTS;
        fits(&self.0, text, &mut captures, &mut left).then(|| {
            captures.reverse();
            captures
        })
    }

    /// The names in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn fits(pieces: &[Piece], text: &str, captures: &mut Captures, left: &mut u32) -> bool {
    let Some(rest) = left.checked_sub(1) else {
        return false;
    };
    *left = rest;
    let Some((first, after)) = pieces.split_first() else {
        return text.is_empty();
    };
    let (least, slashes, name) = match first {
        Piece::Text(plain) => {
            return text
                .strip_prefix(plain.as_str())
                .is_some_and(|text| fits(after, text, captures, left));
        }
        Piece::Star => (0, false, None),
        Piece::Rest => (0, true, None),
        Piece::Name(name) => (1, false, Some(name)),
    };
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    for end in ends {
        if !slashes && text[..end].contains('/') {
            return false;
        }
        if end >= least && fits(after, &text[end..], captures, left) {
            captures.extend(name.map(|name| (name.clone(), text[..end].to_owned())));
            return true;
        }
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, text: &str) -> Option<Vec<String>> {
        let captures = Pattern::parse(pattern).unwrap().fits(text)?;
        Some(
            captures
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        )
    }

    #[test]
    fn names_take_what_lies_between_and_stop_at_slashes() {
        assert_eq!(
            fits("/bot{token}/{call}", "/bot1:AB/sendMessage").unwrap(),
            ["token=1:AB", "call=sendMessage"]
        );
        assert_eq!(fits("/a/{b}", "/a/b/c"), None);
        assert_eq!(fits("/a/{b}", "/a/"), None);
        assert_eq!(fits("/a/**", "/a/b/c"), Some(vec![]));
        assert_eq!(fits("*.example", "x.y.example"), Some(vec![]));
        assert_eq!(fits("*.example", "example"), None);
        assert_eq!(fits("/a\\{b}", "/a{b}"), Some(vec![]));
    }

    #[test]
    fn improper_patterns_are_refused() {
        assert!(Pattern::parse("/{}").is_err());
        assert!(Pattern::parse("/{a b}").is_err());
        assert!(Pattern::parse("x\\").is_err());
    }

    #[test]
    fn many_stars_end() {
        let pattern = Pattern::parse(&format!("{}b", "*a".repeat(30))).unwrap();
        assert_eq!(pattern.fits(&"a".repeat(900)), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(pattern in "[a*{}\\\\/é]{0,12}", text in ".{0,40}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                pattern.fits(&text);
            }
        }
    }
}
