//! Reads YAML as plain lists, maps and texts. Tags name classes of other languages and mean nothing here.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

/// Deepest nesting that is read.
const DEPTH: usize = 64;
/// Most values of one document, those that aliases stand for included.
const VALUES: usize = 200_000;

/// A value without its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Yaml {
    /// A scalar as it is written; an empty one stands for nothing.
    Text(String),
    List(Vec<Yaml>),
    /// In the order of the document; keys that are no scalars are left out.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// The first document of a text; `None` when it is none or larger than any that is honest.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader {
            events: Parser::new_from_str(text),
            anchors: HashMap::new(),
            left: VALUES,
        };
        loop {
            match reader.next()? {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd | Event::DocumentEnd => return None,
                event => return reader.value(event, DEPTH),
            }
        }
    }

    /// The (last) value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => {
                let mut pairs = pairs.iter().rev();
                pairs.find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// A scalar that is not empty.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The items of a list; nothing for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    fn size(&self) -> usize {
        1 + match self {
            Self::Text(_) => 0,
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Map(pairs) => pairs.iter().map(|(_, value)| value.size()).sum(),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Yaml>,
    left: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<Event<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.events.next()?.ok().map(|(event, _)| event)
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Option<Yaml> {
        let depth = depth.checked_sub(1)?;
        let (anchor, value) = match event {
            Event::Scalar(text, _, anchor, _) => (anchor, Yaml::Text(text.into_owned())),
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => items.push(self.value(event, depth)?),
                    }
                }
                (anchor, Yaml::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Yaml::Map(self.pairs(depth)?)),
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor)?.clone();
                self.left = self.left.checked_sub(value.size())?;
                return Some(value);
            }
            _ => return None,
        };
        if anchor > 0 {
            self.left = self.left.checked_sub(value.size())?;
            self.anchors.insert(anchor, value.clone());
        }
        Some(value)
    }

    fn pairs(&mut self, depth: usize) -> Option<Vec<(String, Yaml)>> {
        let mut pairs = Vec::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Some(pairs),
                event => self.value(event, depth)?,
            };
            let event = self.next()?;
            let value = self.value(event, depth)?;
            if let Yaml::Text(key) = key {
                pairs.push((key, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_are_passed_over_and_aliases_stand_for_their_value() {
        let text = "--- !ruby/object:Gem::Specification\nname: a\nversion: !ruby/object:Gem::Version\n  version: '1.0'\n\
                    first: &id001 !ruby/object:X\n  list:\n  - - \"~>\"\n    - b\nsecond: *id001\nempty: []\n";
        let yaml = Yaml::parse(text).unwrap();
        assert_eq!(yaml.get("name").and_then(Yaml::text), Some("a"));
        let version = yaml.get("version").and_then(|it| it.get("version"));
        assert_eq!(version.and_then(Yaml::text), Some("1.0"));
        assert_eq!(yaml.get("first"), yaml.get("second"));
        let list = yaml.get("second").and_then(|it| it.get("list")).unwrap();
        assert_eq!(list.items()[0].items()[1].text(), Some("b"));
        assert!(yaml.get("empty").unwrap().items().is_empty());
    }

    #[test]
    fn aliases_that_multiply_end_the_reading() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert_eq!(Yaml::parse(&text), None);
        assert_eq!(Yaml::parse(&"[".repeat(10_000)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "([a-z:&*! '\"-]|\\[|\\]|\\{|\\}|\n|\\PC){0,120}") {
            let _ = Yaml::parse(&text);
        }
    }
}
