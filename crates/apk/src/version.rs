//! The order of Alpine's versions: `digits{.digits}[letter]{_suffix[digits]}[~hash][-rN]`, compared piece by piece.

use std::cmp::Ordering;

/// Suffixes that make a version older than the one without.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
/// Suffixes that make it newer.
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];
/// Digits of one number; more are no version.
const MOST_DIGITS: usize = 18;

/// What the next piece is. The order matters: of two versions that are the same so far, the one whose next kind
/// of piece comes first here is the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Invalid,
    DigitOrZero,
    Digit,
    Letter,
    Suffix,
    SuffixNumber,
    Revision,
    End,
}

#[derive(Clone)]
struct Reader<'a> {
    rest: &'a [u8],
    next: Piece,
}

impl<'a> Reader<'a> {
    fn new(version: &'a str) -> Self {
        let next = match version.as_bytes().first() {
            None => Piece::End,
            Some(_) => Piece::Digit,
        };
        Self {
            rest: version.as_bytes(),
            next,
        }
    }

    fn going_on(&self) -> bool {
        !matches!(self.next, Piece::End | Piece::Invalid)
    }

    /// The value of the next piece; afterwards `next` says what follows it.
    fn value(&mut self) -> i64 {
        let (length, value) = match self.next {
            Piece::DigitOrZero if self.rest.first() == Some(&b'0') => {
                // 1.01 is older than 1.1: what stands after zeros counts as a fraction would.
                let zeros = self.rest.iter().take_while(|byte| **byte == b'0').count();
                self.rest = &self.rest[zeros..];
                self.next = if self.rest.is_empty() {
                    Piece::End
                } else if self.rest[0].is_ascii_digit() {
                    Piece::Digit
                } else {
                    self.next = Piece::Digit;
                    self.follow()
                };
                return -i64::try_from(zeros).unwrap_or(i64::MAX);
            }
            Piece::DigitOrZero | Piece::Digit | Piece::SuffixNumber | Piece::Revision => {
                match self.number() {
                    Some(found) => found,
                    None => return self.invalid(),
                }
            }
            Piece::Letter => (1, self.rest.first().map_or(0, |byte| i64::from(*byte))),
            Piece::Suffix => match self.suffix() {
                Some(found) => found,
                None => return self.invalid(),
            },
            Piece::End | Piece::Invalid => return 0,
        };
        self.rest = self.rest.get(length..).unwrap_or_default();
        self.next = self.follow();
        value
    }

    fn invalid(&mut self) -> i64 {
        self.next = Piece::Invalid;
        -1
    }

    fn number(&self) -> Option<(usize, i64)> {
        let digits = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let text = std::str::from_utf8(&self.rest[..digits]).ok()?;
        (1..=MOST_DIGITS)
            .contains(&digits)
            .then(|| text.parse().ok())
            .flatten()
            .map(|number| (digits, number))
    }

    fn suffix(&self) -> Option<(usize, i64)> {
        let find = |names: &[&str]| {
            names
                .iter()
                .position(|name| self.rest.starts_with(name.as_bytes()))
                .map(|at| (names[at].len(), at as i64))
        };
        let before = find(&BEFORE).map(|(length, at)| (length, at - BEFORE.len() as i64));
        before.or_else(|| find(&AFTER))
    }

    fn follow(&mut self) -> Piece {
        self.skip_hash();
        let Some(&first) = self.rest.first() else {
            return Piece::End;
        };
        let now = self.next;
        let plain = match (now, first) {
            (Piece::Digit | Piece::DigitOrZero, b'a'..=b'z') => Some(Piece::Letter),
            (Piece::Letter, b'0'..=b'9') => Some(Piece::Digit),
            (Piece::Suffix, b'0'..=b'9') => Some(Piece::SuffixNumber),
            _ => None,
        };
        let (skip, next) = match (plain, first) {
            (Some(next), _) => (0, next),
            (None, b'.') => (1, Piece::DigitOrZero),
            (None, b'_') => (1, Piece::Suffix),
            (None, b'-') if self.rest.get(1) == Some(&b'r') => (2, Piece::Revision),
            (None, _) => (1, Piece::Invalid),
        };
        self.rest = &self.rest[skip..];
        let backwards = next < now
            && !matches!(
                (next, now),
                (Piece::DigitOrZero, Piece::Digit)
                    | (Piece::Suffix, Piece::SuffixNumber)
                    | (Piece::Digit, Piece::Letter)
            );
        if backwards { Piece::Invalid } else { next }
    }

    /// The commit that a version was built from is no part of the order.
    fn skip_hash(&mut self) {
        if self.rest.first() == Some(&b'~') {
            let hash = self.rest[1..]
                .iter()
                .take_while(|byte| byte.is_ascii_hexdigit())
                .count();
            self.rest = &self.rest[1 + hash..];
        }
    }
}

/// Which of two versions is the older, as `apk` has it.
pub fn compare(a: &str, b: &str) -> Ordering {
    compared(a, b, false)
}

/// Whether `version` begins with all pieces of `prefix` (`~=`).
pub(crate) fn begins_with(version: &str, prefix: &str) -> bool {
    compared(version, prefix, true) == Ordering::Equal
}

fn compared(a: &str, b: &str, prefix: bool) -> Ordering {
    let (mut a, mut b) = (Reader::new(a), Reader::new(b));
    let (mut left, mut right) = (0, 0);
    while a.next == b.next && a.going_on() && left == right {
        left = a.value();
        right = b.value();
    }
    if left != right {
        return left.cmp(&right);
    }
    if a.next == b.next || (prefix && b.next == Piece::End) {
        return Ordering::Equal;
    }
    // Same so far: the longer one is newer, unless what follows is a preview.
    if a.next == Piece::Suffix && a.clone().value() < 0 {
        return Ordering::Less;
    }
    if b.next == Piece::Suffix && b.clone().value() < 0 {
        return Ordering::Greater;
    }
    b.next.cmp(&a.next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_is_that_of_apk() {
        for (older, newer) in [
            ("1.0", "1.1"),
            ("1.9", "1.10"),
            ("1.01", "1.1"),
            ("1.0", "1.0.0"),
            ("1.0_alpha", "1.0_beta"),
            ("1.0_rc1", "1.0"),
            ("1.0_rc1", "1.0_rc2"),
            ("1.0", "1.0_p1"),
            ("1.0_p1", "1.0_p2"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0b"),
            ("1.0-r0", "1.0-r1"),
            ("1.0-r9", "1.0-r10"),
            ("1.0", "1.0-r0"),
            ("1.0_pre2-r1", "1.0-r0"),
            ("20240101-r0", "20240102-r0"),
            ("2.38-r11", "2.38_git1-r0"),
            ("0.12.0", "0.12.0.1"),
            ("6.5_p20250503-r0", "6.5_p20251010-r0"),
            ("1.2.3~abc123-r0", "1.2.3~fff-r1"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
        }
        for same in ["1.0-r0", "", "nonsense", "1.0_rc1-r2"] {
            assert_eq!(compare(same, same), Ordering::Equal, "{same}");
        }
    }

    #[test]
    fn a_prefix_stands_for_all_that_begin_with_it() {
        assert!(begins_with("3.12.4-r1", "3.12"));
        assert!(begins_with("3.12.4-r1", "3.12.4"));
        assert!(!begins_with("3.120.4-r1", "3.12"));
        assert!(!begins_with("3.1", "3.12"));
    }

    proptest! {
        #[test]
        fn any_text_can_be_compared_and_the_order_has_two_sides(a in "[0-9a-z._~r-]{0,20}", b in ".{0,20}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }
    }
}
