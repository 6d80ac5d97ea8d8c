//! YAML as a small tree: texts, lists and tables. Tags are ignored; an alias stands for nothing, so that no file can
//! grow by referring to itself.

use saphyr_parser::{Event, Parser};

/// Deepest nesting.
const DEPTH: usize = 32;
/// Most nodes of one file.
const NODES: usize = 2_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Yaml {
    Text(String),
    List(Vec<Yaml>),
    Table(Vec<(String, Yaml)>),
}

impl Yaml {
    /// The first document of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut build = Build {
            parser: Parser::new_from_str(text),
            nodes: 0,
        };
        loop {
            match build.next()? {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd | Event::DocumentEnd => return Err("it is empty".into()),
                event => return build.node(event, 0),
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.table().find(|(name, _)| *name == key)?;
        Some(found.1)
    }

    /// A member that is a text and not empty.
    pub(crate) fn string(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.string(key) == Some("true")
    }

    /// The members of a table; none of anything else.
    pub(crate) fn table(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = match self {
            Self::Table(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The members of a member that is a table.
    pub(crate) fn members(&self, key: &str) -> impl Iterator<Item = (&str, &Self)> {
        self.get(key).into_iter().flat_map(Self::table)
    }
}

struct Build<'i> {
    parser: Parser<'i, saphyr_parser::StrInput<'i>>,
    nodes: usize,
}

impl<'i> Build<'i> {
    fn next(&mut self) -> Result<Event<'i>, String> {
        match self.parser.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it ends too early".into()),
        }
    }

    fn node(&mut self, event: Event<'i>, depth: usize) -> Result<Yaml, String> {
        self.nodes += 1;
        if depth > DEPTH || self.nodes > NODES {
            return Err("it is nested too deep or too large".into());
        }
        match event {
            Event::Scalar(text, ..) => Ok(Yaml::Text(text.into_owned())),
            Event::Alias(_) => Ok(Yaml::Text(String::new())),
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Yaml::List(list)),
                        event => list.push(self.node(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut table = Vec::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => return Ok(Yaml::Table(table)),
                        event => self.node(event, depth + 1)?,
                    };
                    let event = self.next()?;
                    let value = self.node(event, depth + 1)?;
                    if let Yaml::Text(key) = key {
                        table.push((key, value));
                    }
                }
            }
            _ => Err("it has no value where one should be".into()),
        }
    }
}
