use std::cmp::Ordering;

use crate::version::{begins_with, compare};

/// How versions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `~` or `~=`: begins with the same pieces.
    Like,
    /// `><`: a checksum instead of a version, which only a world file has.
    Checksum,
}

/// What a package needs, or must not meet: `so:libc.musl-x86_64.so.1`, `cmd:sh>=1`, `python3~3.12`, `!old`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// A package, or what one provides.
    pub name: String,
    /// Must not be there.
    pub conflict: bool,
    /// Bound of the version, if there is one.
    pub bound: Option<(Operator, String)>,
}

/// What a package provides besides itself; without a version it satisfies no bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    /// `so:…`, `cmd:…`, `pc:…`, a path or another package's name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
}

/// Longest operator first.
const OPERATORS: [(&str, Operator); 8] = [
    ("><", Operator::Checksum),
    ("<=", Operator::LessEqual),
    (">=", Operator::GreaterEqual),
    ("~=", Operator::Like),
    ("=~", Operator::Like),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("=", Operator::Equal),
];

impl Dependency {
    /// Reads one word of a `D:` line; `None` when it names nothing.
    pub fn parse(word: &str) -> Option<Self> {
        let (conflict, word) = match word.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let (name, rest) = split(word);
        // `name@tag` pins a repository of the configuration.
        let name = name.split('@').next().unwrap_or_default();
        if name.is_empty() {
            return None;
        }
        let bound =
            OPERATORS
                .iter()
                .chain([&("~", Operator::Like)])
                .find_map(|(text, operator)| {
                    let version = rest.strip_prefix(text)?;
                    Some((*operator, version.to_owned()))
                });
        Some(Self {
            name: name.to_owned(),
            conflict,
            bound,
        })
    }

    /// All words of a line.
    pub fn parse_all(line: &str) -> Vec<Self> {
        line.split_ascii_whitespace()
            .filter_map(Self::parse)
            .collect()
    }

    /// Whether a version is within the bound.
    pub fn accepts(&self, version: Option<&str>) -> bool {
        let Some((operator, bound)) = &self.bound else {
            return true;
        };
        let Some(version) = version else {
            return false;
        };
        let order = compare(version, bound);
        match operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::LessEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::Like => begins_with(version, bound),
            Operator::Checksum => false,
        }
    }
}

impl Provided {
    /// Reads one word of a `p:` line.
    pub fn parse(word: &str) -> Option<Self> {
        let (name, rest) = split(word);
        let version = rest.trim_start_matches(['=', '~', '<', '>']);
        (!name.is_empty()).then(|| Self {
            name: name.to_owned(),
            version: (!version.is_empty()).then(|| version.to_owned()),
        })
    }

    /// All words of a line.
    pub fn parse_all(line: &str) -> Vec<Self> {
        line.split_ascii_whitespace()
            .filter_map(Self::parse)
            .collect()
    }
}

fn split(word: &str) -> (&str, &str) {
    let at = word.find(['<', '>', '=', '~']).unwrap_or(word.len());
    word.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(dependency: &str, version: Option<&str>) -> bool {
        Dependency::parse(dependency).unwrap().accepts(version)
    }

    #[test]
    fn names_of_every_kind_keep_their_form() {
        for name in [
            "so:libc.musl-x86_64.so.1",
            "cmd:sh",
            "pc:zlib",
            "/bin/sh",
            "libstdc++",
            "py3.12-x",
        ] {
            let read = Dependency::parse(&format!("{name}>=1.2-r0")).unwrap();
            assert_eq!((read.name.as_str(), read.conflict), (name, false));
            assert_eq!(
                read.bound,
                Some((Operator::GreaterEqual, "1.2-r0".to_owned()))
            );
        }
        let tagged = Dependency::parse("!old@edge<2").unwrap();
        assert_eq!((tagged.name.as_str(), tagged.conflict), ("old", true));
        assert_eq!(Dependency::parse("!"), None);
        assert_eq!(Dependency::parse(">=1"), None);
    }

    #[test]
    fn bounds_hold_as_apk_has_them() {
        assert!(accepts("a", None) && accepts("a", Some("1")));
        assert!(
            !accepts("a>=1", None),
            "what has no version satisfies no bound"
        );
        assert!(accepts("a>=1.2", Some("1.2-r0")) && !accepts("a<1.2", Some("1.2")));
        assert!(accepts("a~3.12", Some("3.12.4-r0")) && !accepts("a~3.12", Some("3.13")));
        assert!(accepts("a~=3.12", Some("3.12-r1")) && accepts("a=~3.12", Some("3.12-r1")));
        assert!(accepts("a=1.0-r1", Some("1.0-r1")) && !accepts("a=1.0-r1", Some("1.0-r2")));
        assert!(!accepts("a><Q1abc=", Some("1")));
    }

    #[test]
    fn provided_names_may_have_versions() {
        assert_eq!(
            Provided::parse_all("so:libz.so.1=1.3.1 cmd:zip"),
            [
                Provided {
                    name: "so:libz.so.1".into(),
                    version: Some("1.3.1".into())
                },
                Provided {
                    name: "cmd:zip".into(),
                    version: None
                }
            ]
        );
    }
}
