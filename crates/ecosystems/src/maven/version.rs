//! Maven's order of versions, and version ranges.

use std::cmp::Ordering;

/// Most parts of a version that are compared.
const PARTS: usize = 64;

/// A version, comparable as Maven does it. Spellings that mean the same (`1`, `1.0`, `1.0-ga`) are equal.
#[derive(Clone, Debug)]
pub(super) struct Version(Vec<Part>);

#[derive(Clone, Debug)]
struct Part {
    /// `.`, or `-` also where letters and digits meet.
    dot: bool,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// Digits without leading zeros; empty for zero.
    Number(String),
    /// In small letters; empty for what means "the release".
    Word(String),
}

impl Version {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text.as_str();
        let mut dot = false;
        while parts.len() < PARTS {
            let digits = rest.starts_with(|c: char| c.is_ascii_digit());
            let end = rest
                .find(|c: char| matches!(c, '.' | '-' | '_') || c.is_ascii_digit() != digits)
                .unwrap_or(rest.len());
            let (token, after) = rest.split_at(end);
            let followed = after.starts_with(|c: char| c.is_ascii_digit());
            parts.push(Part {
                dot,
                value: Value::of(token, followed),
            });
            let Some(next) = after.chars().next() else {
                break;
            };
            dot = next == '.';
            rest = match next {
                '.' | '-' | '_' => &after[1..],
                _ => after,
            };
        }
        Self(trimmed(parts))
    }

    /// Whether nothing marks it as something before a release.
    pub(super) fn is_release(&self) -> bool {
        !self
            .0
            .iter()
            .any(|part| matches!(&part.value, Value::Word(word) if rank(word) < rank("")))
    }
}

/// Zeros and words for a release count for nothing at the end, and before a dash.
fn trimmed(parts: Vec<Part>) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    for part in parts {
        if !part.dot {
            drop_nulls(&mut out);
        }
        out.push(part);
    }
    drop_nulls(&mut out);
    out
}

fn drop_nulls(parts: &mut Vec<Part>) {
    while parts.last().is_some_and(|part| part.value.is_null()) {
        parts.pop();
    }
}

impl Value {
    fn of(token: &str, followed_by_digit: bool) -> Self {
        if token.is_empty() || token.starts_with(|c: char| c.is_ascii_digit()) {
            return Self::Number(token.trim_start_matches('0').to_owned());
        }
        let word = match token {
            "a" if followed_by_digit => "alpha",
            "b" if followed_by_digit => "beta",
            "m" if followed_by_digit => "milestone",
            "cr" => "rc",
            "ga" | "final" | "release" => "",
            word => word,
        };
        Self::Word(word.to_owned())
    }

    fn is_null(&self) -> bool {
        match self {
            Self::Number(text) | Self::Word(text) => text.is_empty(),
        }
    }
}

/// What comes before a release in order, the release, what comes after it, and any other word.
fn rank(word: &str) -> usize {
    ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"]
        .iter()
        .position(|known| *known == word)
        .unwrap_or(7)
}

impl Part {
    /// Words before numbers after a dash before numbers after a dot.
    fn class(&self) -> u8 {
        match (&self.value, self.dot) {
            (Value::Word(_), _) => 0,
            (Value::Number(_), false) => 1,
            (Value::Number(_), true) => 2,
        }
    }

    /// What it is compared with where the other version has ended.
    fn padding(&self) -> Self {
        let value = match self.value {
            Value::Number(_) => Value::Number(String::new()),
            Value::Word(_) => Value::Word(String::new()),
        };
        Self {
            dot: self.dot,
            value,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.class()
            .cmp(&other.class())
            .then_with(|| match (&self.value, &other.value) {
                (Value::Number(a), Value::Number(b)) => {
                    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
                }
                (Value::Word(a), Value::Word(b)) => {
                    rank(a).cmp(&rank(b)).then_with(|| match rank(a) {
                        7 => a.cmp(b),
                        _ => Ordering::Equal,
                    })
                }
                // Different classes.
                _ => Ordering::Equal,
            })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        for at in 0..self.0.len().max(other.0.len()) {
            let order = match (self.0.get(at), other.0.get(at)) {
                (Some(a), Some(b)) => a.order(b),
                (Some(a), None) => a.order(&a.padding()),
                (None, Some(b)) => b.padding().order(b),
                (None, None) => Ordering::Equal,
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

/// Whether a dependency's version is a range (`[1.0,2.0)`), not a wish (`1.0`).
pub(super) fn is_range(text: &str) -> bool {
    text.starts_with(['[', '('])
}

/// The highest of `versions` that a range allows.
pub(super) fn highest<'v>(range: &str, versions: &'v [String]) -> Option<&'v String> {
    let sets = sets(range);
    versions
        .iter()
        .filter(|version| {
            let version = Version::parse(version);
            sets.iter().any(|set| set.allows(&version))
        })
        .max_by_key(|version| Version::parse(version))
}

struct Set {
    low: Option<(Version, bool)>,
    high: Option<(Version, bool)>,
}

impl Set {
    fn allows(&self, version: &Version) -> bool {
        let above = self
            .low
            .as_ref()
            .is_none_or(|(low, closed)| version > low || (*closed && version == low));
        let below = self
            .high
            .as_ref()
            .is_none_or(|(high, closed)| version < high || (*closed && version == high));
        above && below
    }
}

/// The sets of a range; what is no set is passed over.
fn sets(range: &str) -> Vec<Set> {
    let mut sets = Vec::new();
    let mut rest = range.trim();
    while let Some(start) = rest.find(['[', '(']) {
        let closed_low = rest[start..].starts_with('[');
        let Some(length) = rest[start..].find([']', ')']) else {
            break;
        };
        let end = start + length;
        let closed_high = rest[end..].starts_with(']');
        let inside = &rest[start + 1..end];
        let (low, high) = inside.split_once(',').unwrap_or((inside, inside));
        let bound = |text: &str, closed| {
            let text = text.trim();
            (!text.is_empty()).then(|| (Version::parse(text), closed))
        };
        sets.push(Set {
            low: bound(low, closed_low),
            high: bound(high, closed_high),
        });
        rest = &rest[end + 1..];
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_maven_orders_them() {
        let ascending = [
            "1-alpha",
            "1-a2",
            "1-beta-2",
            "1-m3",
            "1-rc",
            "1-SNAPSHOT",
            "1",
            "1-sp",
            "1-abc",
            "1-1",
            "1.1-rc1",
            "1.1",
            "1.1.1",
            "1.2",
            "1.10",
            "2-jre",
            "10.0",
            "20030203.000550",
        ];
        for pair in ascending.windows(2) {
            assert!(
                Version::parse(pair[0]) < Version::parse(pair[1]),
                "{} < {}",
                pair[0],
                pair[1]
            );
        }
        for (a, b) in [
            ("1", "1.0.0"),
            ("1-ga", "1"),
            ("1.0-FINAL", "1"),
            ("1x1", "1-x-1"),
            ("1-cr2", "1-rc2"),
            ("1-a1", "1-alpha-1"),
        ] {
            assert_eq!(Version::parse(a), Version::parse(b), "{a} {b}");
        }
        assert!(Version::parse("33.0-jre").is_release());
        assert!(!Version::parse("4.0.0-beta-3").is_release());
    }

    #[test]
    fn a_range_gives_the_highest_that_it_allows() {
        let versions: Vec<String> = ["1.0", "1.5", "2.0-rc1", "2.0", "3.1"]
            .map(String::from)
            .into();
        for (range, expected) in [
            ("[1.0,2.0)", Some("2.0-rc1")),
            ("[1.0,2.0]", Some("2.0")),
            ("(,1.5)", Some("1.0")),
            ("[1.5]", Some("1.5")),
            ("(2.0,)", Some("3.1")),
            ("[5,)", None),
            ("(,1.0],[3.0,)", Some("3.1")),
            ("[1.0", None),
        ] {
            assert_eq!(
                highest(range, &versions).map(String::as_str),
                expected,
                "{range}"
            );
        }
    }

    #[test]
    fn odd_texts_are_compared_without_end_or_panic() {
        let long = "1.".repeat(10_000);
        for text in ["", "-", "..", "é.1", "1é", "-1-", &long] {
            let version = Version::parse(text);
            assert_eq!(version.cmp(&version), Ordering::Equal, "{text}");
            assert!(version.0.len() <= PARTS);
        }
    }
}
