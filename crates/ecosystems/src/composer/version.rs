use std::cmp::Ordering;

/// A version as Composer orders it: numbers, then how stable it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    numbers: [u64; 4],
    stability: Stability,
    /// Of a preview: `beta2`.
    step: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stability {
    Dev,
    Alpha,
    Beta,
    Candidate,
    Stable,
    Patch,
}

impl Version {
    /// `None` for branches (`dev-main`) and what is no version.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches(['v', 'V']);
        let text = text.split('+').next().unwrap_or(text);
        if text.len() > 128 || !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
        let mut numbers = [0; 4];
        for (at, part) in digits
            .split('.')
            .filter(|part| !part.is_empty())
            .enumerate()
        {
            *numbers.get_mut(at)? = part.parse().ok()?;
        }
        let rest = rest
            .trim_start_matches(['-', '.', '_'])
            .to_ascii_lowercase();
        let split = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (word, step) = rest.split_at(split);
        let stability = match word {
            "" | "stable" => Stability::Stable,
            "a" | "alpha" => Stability::Alpha,
            "b" | "beta" => Stability::Beta,
            "rc" => Stability::Candidate,
            "p" | "pl" | "patch" => Stability::Patch,
            "dev" => Stability::Dev,
            _ => return None,
        };
        let step = step.trim_start_matches(['-', '.']);
        let step: String = step.chars().take_while(char::is_ascii_digit).collect();
        Some(Self {
            numbers,
            stability,
            step: step.parse().unwrap_or(0),
        })
    }

    /// Whether it is a release and no preview.
    pub(super) fn is_stable(&self) -> bool {
        self.stability >= Stability::Stable
    }

    fn plain(numbers: [u64; 4]) -> Self {
        Self {
            numbers,
            stability: Stability::Stable,
            step: 0,
        }
    }
}

/// Whether `version` satisfies a constraint (`^7.4 || ^8.0`, `>=8.1 <8.4`, `8.*`, `7.2 - 8.0`); what cannot be read
/// excludes nothing.
pub(super) fn satisfies(version: &Version, constraint: &str) -> bool {
    let alternatives = constraint
        .split('|')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut any = false;
    for alternative in alternatives {
        if all(version, alternative) {
            return true;
        }
        any = true;
    }
    !any
}

fn all(version: &Version, constraint: &str) -> bool {
    if let Some((from, to)) = constraint.split_once(" - ") {
        return holds(version, ">=", from) && holds(version, "<", &next(to));
    }
    // A space may stand between an operator and its version.
    let mut operator = String::new();
    for word in constraint.split([' ', ',']).filter(|word| !word.is_empty()) {
        let split = word.find(|c: char| c.is_ascii_alphanumeric() || c == '*');
        let (sign, wanted) = word.split_at(split.unwrap_or(word.len()));
        operator.push_str(sign);
        if wanted.is_empty() {
            continue;
        }
        if !holds(version, &operator, wanted) {
            return false;
        }
        operator.clear();
    }
    true
}

/// What a partial version at the end of a range leaves out: `8.0` includes `8.0.9`.
fn next(to: &str) -> String {
    let mut numbers: Vec<u64> = to
        .trim()
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    if let Some(last) = numbers.last_mut() {
        *last += 1;
    }
    let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
    numbers.join(".")
}

fn holds(version: &Version, operator: &str, wanted: &str) -> bool {
    let wanted = wanted.split('@').next().unwrap_or(wanted);
    let given: Vec<&str> = wanted.split('.').collect();
    let wild = given.iter().position(|part| matches!(*part, "*" | "x"));
    let fixed = wild.unwrap_or(given.len());
    let text = given[..fixed].join(".");
    let Some(low) = Version::parse(if text.is_empty() { "0" } else { &text }) else {
        return true;
    };
    let below = |part: usize| {
        let mut numbers = low.numbers;
        let part = part.min(3);
        numbers[part] = numbers[part].saturating_add(1);
        numbers[part + 1..].fill(0);
        // Previews of the next are left out as well.
        let limit = Version {
            stability: Stability::Dev,
            ..Version::plain(numbers)
        };
        *version >= low && *version < limit
    };
    match operator {
        "^" => below(
            low.numbers
                .iter()
                .position(|number| *number > 0)
                .unwrap_or(0),
        ),
        "~" => below(fixed.saturating_sub(2)),
        _ if wild == Some(0) => true,
        _ if wild.is_some() => below(fixed - 1),
        ">=" => *version >= low,
        ">" => *version > low,
        "<=" => *version <= low,
        "<" => *version < low,
        "!=" | "<>" => version.cmp(&low) != Ordering::Equal,
        _ => *version == low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_ordered_as_composer_does() {
        let ascending = [
            "1.0.0-dev",
            "1.0-alpha1",
            "1.0.0-beta2",
            "1.0.0.0-RC1",
            "v1.0.0",
            "1.0.0-p1",
            "1.0.1",
            "1.10.0",
            "2",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("1"), version("1.0.0.0"));
        assert!(version("1.0").is_stable() && !version("1.0-RC1").is_stable());
        for bad in ["", "dev-main", "1.2.3.4.5", "1.0-main", "x"] {
            assert!(Version::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn constraints_hold_as_in_composer() {
        let holds = |text: &str, constraint: &str| satisfies(&version(text), constraint);
        for yes in [
            "^8.1",
            "^7.4 || ^8.0",
            ">=8.1 <8.4",
            ">= 7.2, < 9",
            "8.*",
            "*",
            "~8.0",
            "7.2 - 8.2",
            "^7|^8",
            "rubbish",
            "",
        ] {
            assert!(holds("8.2.36", yes), "{yes}");
        }
        for no in [
            "^7.4",
            ">=8.3",
            "~8.1.0",
            "7.*",
            "<8.2",
            "7.2 - 8.1",
            "!=8.2.36",
            "^0.3",
        ] {
            assert!(!holds("8.2.36", no), "{no}");
        }
        assert!(holds("0.3.5", "^0.3") && !holds("0.4.0", "^0.3"));
    }
}
