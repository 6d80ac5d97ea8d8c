//! CycloneDX, as JSON and as XML.

use std::collections::HashSet;

use serde_json::Value;

use crate::entry::{Draft, Entry, Hash};
use crate::sbom::{by_purl, nameless};
use crate::text::{self, items, string};
use crate::xml::Element;

/// Deepest nesting of components.
const DEPTH: usize = 32;

/// Kinds of component that no package manager installs.
const NO_PACKAGE: [&str; 5] = [
    "operating-system",
    "device",
    "firmware",
    "data",
    "cryptographic-asset",
];

/// A component of either form.
struct Component<'a> {
    kind: &'a str,
    group: &'a str,
    name: &'a str,
    version: &'a str,
    purl: Option<&'a str>,
    reference: Option<&'a str>,
    scope: Option<&'a str>,
    hashes: Vec<Hash>,
}

impl Component<'_> {
    fn entry(self, direct: &HashSet<&str>, any: bool) -> Entry {
        let entry = match self.purl {
            Some(purl) => by_purl(purl),
            None if self.kind == "file" => {
                Entry::covered(self.name, "is a file of another component")
            }
            None if NO_PACKAGE.contains(&self.kind) => Entry::other(
                self.name,
                &format!("is no package but of the kind {}", self.kind),
            ),
            None if self.group.is_empty() => nameless(self.name, self.version),
            None => nameless(&format!("{}/{}", self.group, self.name), self.version),
        };
        let reference = self.reference.unwrap_or_default();
        entry
            .at(self.reference.unwrap_or(self.name))
            .direct(any.then(|| direct.contains(reference)))
            .dev(self.scope == Some("excluded"))
            .optional(self.scope == Some("optional"))
            .hashes(self.hashes)
    }
}

pub(crate) fn parse_json(text: &str, out: &mut Draft) -> Result<(), String> {
    let bom = text::json(text)?;
    let root = bom
        .get("metadata")
        .and_then(|metadata| metadata.get("component"));
    let root = root.and_then(|root| string(root, "bom-ref"));
    let of_root =
        items(&bom, "dependencies").find(|one| root.is_some() && string(one, "ref") == root);
    let direct: HashSet<&str> = of_root
        .into_iter()
        .flat_map(|one| items(one, "dependsOn"))
        .filter_map(Value::as_str)
        .collect();
    components(&bom, &direct, of_root.is_some(), 0, out);
    Ok(())
}

fn components(parent: &Value, direct: &HashSet<&str>, any: bool, depth: usize, out: &mut Draft) {
    for component in items(parent, "components") {
        let of = |key: &str| string(component, key);
        let hashes = items(component, "hashes")
            .filter_map(|hash| Hash::hex(string(hash, "alg")?, string(hash, "content")?));
        let found = Component {
            kind: of("type").unwrap_or_default(),
            group: of("group").unwrap_or_default(),
            name: of("name").unwrap_or_default(),
            version: of("version").unwrap_or_default(),
            purl: of("purl"),
            reference: of("bom-ref"),
            scope: of("scope"),
            hashes: hashes.collect(),
        };
        out.add(found.entry(direct, any));
        if depth < DEPTH {
            components(component, direct, any, depth + 1, out);
        } else if component.get("components").is_some() {
            out.gap("components are nested too deep; the innermost are not listed");
        }
    }
}

pub(crate) fn parse_xml(text: &str, out: &mut Draft) -> Result<(), String> {
    let bom = Element::parse(text)?;
    if bom.name != "bom" {
        return Err(format!("its root is {}, not bom", bom.name));
    }
    let root = bom
        .find(&["metadata", "component"])
        .and_then(|root| root.attribute("bom-ref"));
    let of_root = bom
        .below(&["dependencies"])
        .find(|one| root.is_some() && one.attribute("ref") == root);
    let direct: HashSet<&str> = of_root
        .into_iter()
        .flat_map(|one| &one.children)
        .filter_map(|one| one.attribute("ref"))
        .collect();
    elements(&bom, &direct, of_root.is_some(), out);
    Ok(())
}

/// The XML reader bounds the depth.
fn elements(parent: &Element, direct: &HashSet<&str>, any: bool, out: &mut Draft) {
    for component in parent.below(&["components"]) {
        let of = |key: &str| component.string(key);
        let hashes = component
            .below(&["hashes"])
            .filter_map(|hash| Hash::hex(hash.attribute("alg")?, &hash.text));
        let found = Component {
            kind: component.attribute("type").unwrap_or_default(),
            group: of("group").unwrap_or_default(),
            name: of("name").unwrap_or_default(),
            version: of("version").unwrap_or_default(),
            purl: of("purl"),
            reference: component.attribute("bom-ref"),
            scope: of("scope"),
            hashes: hashes.collect(),
        };
        out.add(found.entry(direct, any));
        elements(component, direct, any, out);
    }
}
