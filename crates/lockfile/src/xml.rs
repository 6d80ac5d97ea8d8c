//! XML as a small tree. There is no document type: entities other than the five of XML stand for nothing.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Deepest nesting.
const DEPTH: usize = 64;
/// Most elements of one file.
const ELEMENTS: usize = 1_000_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Element {
    /// Without its prefix.
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// All text directly inside, trimmed.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The root of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = vec![Self::default()];
        let mut elements = 0;
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let empty = matches!(event, Event::Empty(_));
            match event {
                Event::Start(tag) | Event::Empty(tag) => {
                    elements += 1;
                    if open.len() > DEPTH || elements > ELEMENTS {
                        return Err("it is nested too deep or too large".into());
                    }
                    open.push(begin(&tag));
                    if empty {
                        close(&mut open);
                    }
                }
                Event::End(_) => close(&mut open),
                Event::Text(text) => add(&mut open, &text),
                Event::CData(text) => add(&mut open, &text),
                Event::GeneralRef(name) => add(&mut open, entity(&name)),
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            }
        }
        if open.len() > 1 {
            return Err("it ends inside an element".into());
        }
        let root = open.pop().and_then(|top| top.children.into_iter().next());
        root.ok_or_else(|| "it has no element".into())
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element reached by a path of names.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    /// The children of the element reached by a path of names.
    pub(crate) fn below<'a>(&'a self, path: &[&str]) -> impl Iterator<Item = &'a Self> {
        self.find(path)
            .into_iter()
            .flat_map(|element| &element.children)
    }

    /// The text of a child, if it has some.
    pub(crate) fn string(&self, name: &str) -> Option<&str> {
        Some(self.child(name)?.text.as_str()).filter(|text| !text.is_empty())
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn begin(tag: &quick_xml::events::BytesStart<'_>) -> Element {
    let attributes = tag.attributes().flatten().take(32);
    Element {
        name: tag.local_name().as_ref().to_owned(),
        attributes: attributes
            .map(|attribute| {
                let key = attribute.key.local_name().as_ref().to_owned();
                (key, unescape(&attribute.value))
            })
            .collect(),
        ..Element::default()
    }
}

fn unescape(text: &str) -> String {
    let mut out = text.to_owned();
    for (name, character) in [
        ("lt", "<"),
        ("gt", ">"),
        ("quot", "\""),
        ("apos", "'"),
        ("amp", "&"),
    ] {
        out = out.replace(&format!("&{name};"), character);
    }
    out
}

fn entity(name: &str) -> &'static str {
    match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Ends the innermost element. The outermost one is ours and stays.
fn close(open: &mut Vec<Element>) {
    if open.len() < 2 {
        return;
    }
    if let Some(mut done) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        done.text = done.text.trim().to_owned();
        parent.children.push(done);
    }
}
