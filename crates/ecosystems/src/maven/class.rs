//! What a class file says without being loaded: its name, and whether it can be started.

/// Parts of a class that decide how it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// `com.example.Main`, as the class itself says.
    pub(super) name: String,
    /// It has `public static void main(String[])`.
    pub(super) has_main: bool,
    /// It has public static methods without parameters (other than its initialiser).
    pub(super) has_calls: bool,
    /// It is written for this class file version (61 is Java 17).
    pub(super) major: u16,
}

const MAGIC: u32 = 0xcafe_babe;
const PUBLIC_STATIC: u16 = 0x0009;
/// Longest name of a class, bytes.
const NAME: usize = 1024;

impl Class {
    /// Reads the start of a class file; `None` when it is none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut at = Reader(bytes);
        if at.u32()? != MAGIC {
            return None;
        }
        at.u16()?;
        let major = at.u16()?;
        let pool = Pool::read(&mut at)?;
        at.u16()?;
        let name = pool.class(at.u16()?)?.replace('/', ".");
        at.u16()?;
        let interfaces = at.u16()?;
        at.skip(usize::from(interfaces) * 2)?;
        members(&mut at, |_, _, _| ())?;
        let (mut has_main, mut has_calls) = (false, false);
        members(&mut at, |flags, name, descriptor| {
            if flags & PUBLIC_STATIC == PUBLIC_STATIC {
                let name = pool.text(name);
                let descriptor = pool.text(descriptor);
                has_main |= name == Some("main") && descriptor == Some("([Ljava/lang/String;)V");
                has_calls |= descriptor.is_some_and(|it| it.starts_with("()"));
            }
        })?;
        let fits = name.len() <= NAME && !name.chars().any(|c| c.is_control() || c == ' ');
        fits.then_some(Self {
            name,
            has_main,
            has_calls,
            major,
        })
    }
}

/// Goes through fields or methods: access flags, name and descriptor of each.
fn members(at: &mut Reader<'_>, mut each: impl FnMut(u16, u16, u16)) -> Option<()> {
    for _ in 0..at.u16()? {
        each(at.u16()?, at.u16()?, at.u16()?);
        for _ in 0..at.u16()? {
            at.u16()?;
            let length = at.u32()?;
            at.skip(usize::try_from(length).ok()?)?;
        }
    }
    Some(())
}

/// Constants that are needed, by index.
struct Pool<'a>(Vec<Constant<'a>>);

#[derive(Clone, Copy)]
enum Constant<'a> {
    Text(&'a [u8]),
    Class(u16),
    Other,
}

impl<'a> Pool<'a> {
    fn read(at: &mut Reader<'a>) -> Option<Self> {
        let count = at.u16()?;
        let mut pool = vec![Constant::Other];
        while pool.len() < usize::from(count) {
            let (constant, slots) = match at.u8()? {
                1 => {
                    let length = at.u16()?;
                    (Constant::Text(at.take(usize::from(length))?), 1)
                }
                7 => (Constant::Class(at.u16()?), 1),
                3 | 4 | 9..=12 | 17 | 18 => {
                    at.skip(4)?;
                    (Constant::Other, 1)
                }
                // These take two places, a mistake of the format's authors that stayed.
                5 | 6 => {
                    at.skip(8)?;
                    (Constant::Other, 2)
                }
                8 | 16 | 19 | 20 => {
                    at.skip(2)?;
                    (Constant::Other, 1)
                }
                15 => {
                    at.skip(3)?;
                    (Constant::Other, 1)
                }
                _ => return None,
            };
            pool.push(constant);
            if slots == 2 {
                pool.push(Constant::Other);
            }
        }
        Some(Self(pool))
    }

    fn text(&self, index: u16) -> Option<&'a str> {
        match self.0.get(usize::from(index))? {
            Constant::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    fn class(&self, index: u16) -> Option<&'a str> {
        match self.0.get(usize::from(index))? {
            Constant::Class(name) => self.text(*name),
            _ => None,
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A class without a body, with these static methods (name and descriptor).
    pub(in crate::maven) fn class(name: &str, methods: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC.to_be_bytes());
        out.extend([0, 0, 0, 61]);
        let mut pool: Vec<u8> = Vec::new();
        let text = |pool: &mut Vec<u8>, text: &str| {
            pool.push(1);
            pool.extend((text.len() as u16).to_be_bytes());
            pool.extend(text.as_bytes());
        };
        text(&mut pool, name);
        pool.extend([7, 0, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
        for (name, descriptor) in methods {
            text(&mut pool, name);
            text(&mut pool, descriptor);
        }
        out.extend((5 + methods.len() as u16 * 2).to_be_bytes());
        out.extend(pool);
        out.extend([0, 1, 0, 2, 0, 0, 0, 0, 0, 0]);
        out.extend((methods.len() as u16).to_be_bytes());
        for at in 0..methods.len() as u16 {
            out.extend([0, 9]);
            out.extend((5 + at * 2).to_be_bytes());
            out.extend((6 + at * 2).to_be_bytes());
            out.extend([0, 0]);
        }
        out
    }

    #[test]
    fn name_and_ways_to_start_are_read() {
        let parsed = Class::parse(&class("a/b/C", &[("main", "([Ljava/lang/String;)V")])).unwrap();
        assert_eq!(
            parsed,
            Class {
                name: "a.b.C".into(),
                has_main: true,
                has_calls: false,
                major: 61
            }
        );
        let called = Class::parse(&class("X", &[("now", "()J"), ("main", "()V")])).unwrap();
        assert!(called.has_calls && !called.has_main);
    }

    #[test]
    fn cut_class_files_are_no_classes() {
        let whole = class("a/B", &[("now", "()J")]);
        for end in 0..whole.len() {
            assert_eq!(Class::parse(&whole[..end]), None, "{end}");
        }
        assert_eq!(Class::parse(&class("a b", &[])), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut with_magic = MAGIC.to_be_bytes().to_vec();
            with_magic.extend(bytes);
            let _ = Class::parse(&with_magic);
        }
    }
}
