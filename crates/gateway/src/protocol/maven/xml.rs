//! XML of Maven repositories: bounded, without document types, so that no entity is ever looked up.

use std::borrow::Cow;

use roxmltree::{Document, Node, ParsingOptions};

/// Largest document, bytes.
const BYTES: usize = 8 << 20;
/// Most elements and texts of a document.
const NODES: u32 = 400_000;

/// Gives the root element of a document to `read`.
///
/// # Errors
/// In words, when it is no XML, has a document type, or is too large.
pub(super) fn with_root<T>(
    bytes: &[u8],
    read: impl FnOnce(Node<'_, '_>) -> T,
) -> Result<T, String> {
    if bytes.len() > BYTES {
        return Err(format!("it is larger than {BYTES} bytes"));
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: NODES,
        ..ParsingOptions::default()
    };
    let text = decoded(bytes);
    let document = Document::parse_with_options(&text, options);
    let document = document.map_err(|error| error.to_string())?;
    Ok(read(document.root_element()))
}

/// UTF-8, or Latin-1 as older POMs are written.
fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// The first child of this name.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

/// All children of this name.
pub(super) fn children<'a, 'i>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// All grandchildren: `<dependencies><dependency/></dependencies>`.
pub(super) fn list<'a, 'i>(
    node: Node<'a, 'i>,
    outer: &'static str,
    inner: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    child(node, outer)
        .into_iter()
        .flat_map(move |outer| children(outer, inner))
}

/// Text of a child without blanks around it; `None` when it is absent or empty.
pub(super) fn text(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    child(node, name).and_then(content)
}

/// Text of an element, without blanks around it.
pub(super) fn content(node: Node<'_, '_>) -> Option<String> {
    let text: String = node.children().filter_map(|child| child.text()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
