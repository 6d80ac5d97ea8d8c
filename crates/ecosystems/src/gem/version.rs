use std::cmp::Ordering;

/// A gem's version, ordered as RubyGems does: numbers by value, letters make a preview, `1.0` is `1`.
#[derive(Clone, Debug)]
pub(super) struct Version {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Number(u64),
    Letters(String),
}

impl Version {
    /// `None` for what is no version.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let plain = text.len() <= 128
            && text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
        if !plain {
            return None;
        }
        // A dash begins a preview.
        let dotted = text.replace('-', ".pre.");
        let mut segments = Vec::new();
        for part in dotted.split('.') {
            let mut rest = part;
            while let Some(first) = rest.chars().next() {
                let digits = first.is_ascii_digit();
                let end = rest.find(|c: char| c.is_ascii_digit() != digits);
                let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
                segments.push(if digits {
                    Segment::Number(piece.parse().unwrap_or(u64::MAX))
                } else {
                    Segment::Letters(piece.to_owned())
                });
                rest = after;
            }
        }
        Some(Self {
            text: text.to_owned(),
            segments,
        })
    }

    /// As it is written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether letters make it a preview.
    pub(super) fn is_preview(&self) -> bool {
        let letters = |segment: &Segment| matches!(segment, Segment::Letters(_));
        self.segments.iter().any(letters)
    }

    /// The first version that `~>` excludes: `1.2.3` gives `1.3`, `1` gives `2`.
    fn bump(&self) -> Self {
        let numbers = self.segments.iter().map_while(|segment| match segment {
            Segment::Number(number) => Some(*number),
            Segment::Letters(_) => None,
        });
        let mut numbers: Vec<u64> = numbers.collect();
        if numbers.len() > 1 {
            numbers.pop();
        }
        if let Some(last) = numbers.last_mut() {
            *last = last.saturating_add(1);
        }
        Self {
            text: String::new(),
            segments: numbers.into_iter().map(Segment::Number).collect(),
        }
    }

    /// Zeros at the end of the numbers and of the whole mean nothing.
    fn canonical(&self) -> Vec<&Segment> {
        let zero = Segment::Number(0);
        let letters = |segment: &Segment| matches!(segment, Segment::Letters(_));
        let split = self.segments.iter().position(letters);
        let (numbers, rest) = self.segments.split_at(split.unwrap_or(self.segments.len()));
        let trimmed = |part: &[Segment]| {
            let end = part.iter().rposition(|segment| *segment != zero);
            end.map_or(0, |at| at + 1)
        };
        let numbers = &numbers[..trimmed(numbers)];
        let rest = &rest[..trimmed(rest)];
        numbers.iter().chain(rest).collect()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.canonical(), other.canonical());
        let zero = Segment::Number(0);
        for at in 0..left.len().max(right.len()) {
            let a = left.get(at).copied().unwrap_or(&zero);
            let b = right.get(at).copied().unwrap_or(&zero);
            let order = match (a, b) {
                (Segment::Number(a), Segment::Number(b)) => a.cmp(b),
                (Segment::Letters(a), Segment::Letters(b)) => a.cmp(b),
                (Segment::Letters(_), Segment::Number(_)) => Ordering::Less,
                (Segment::Number(_), Segment::Letters(_)) => Ordering::Greater,
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

/// Whether `version` satisfies all of `requirements` (`>= 2.7`, `~> 3.1`); what cannot be read excludes nothing.
pub(super) fn satisfies(version: &Version, requirements: &[String]) -> bool {
    requirements.iter().all(|text| {
        let split = text.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
        let (operator, wanted) = text.split_at(split);
        let Some(wanted) = Version::parse(wanted) else {
            return true;
        };
        match operator.trim() {
            ">=" => *version >= wanted,
            ">" => *version > wanted,
            "<=" => *version <= wanted,
            "<" => *version < wanted,
            "!=" => *version != wanted,
            "~>" => *version >= wanted && *version < wanted.bump(),
            _ => *version == wanted,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_ordered_as_rubygems_does() {
        // Checked against Gem::Version of RubyGems 3.3.15.
        let ascending = [
            "0.9",
            "1.0.0.a",
            "1.0.0.a.2",
            "1.0.0.b1",
            "1.0.0.pre",
            "1.0.0.rc1",
            "1",
            "1.0.1",
            "1.0.10",
            "1.10.0.pre",
            "1.10",
            "2.0.0-alpha",
            "2.0.0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("1"), version("1.0.0"));
        assert!(version("1.a").is_preview() && !version("1.2").is_preview());
        for bad in ["", "a", "1/2", "1 2", "../1"] {
            assert!(Version::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn requirements_hold_as_in_rubygems() {
        let holds = |text: &str, wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|it| (*it).to_owned()).collect();
            satisfies(&version(text), &wanted)
        };
        assert!(holds("3.1.2", &[">= 2.7", "< 4"]));
        assert!(!holds("3.1.2", &[">= 3.2"]));
        assert!(holds("3.1.2", &["~> 3.0"]) && !holds("4.0", &["~> 3.0"]));
        assert!(holds("3.1.2", &["~> 3.1.0"]) && !holds("3.2.0", &["~> 3.1.0"]));
        assert!(holds("3.1", &["= 3.1.0"]) && !holds("3.1", &["!= 3.1"]));
        assert!(holds("3.1", &["rubbish"]) && holds("3.1", &[]));
    }
}
