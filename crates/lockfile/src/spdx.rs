//! SPDX 2, as JSON and as tag and value.

use std::collections::HashSet;

use crate::entry::{Draft, Hash};
use crate::sbom::{by_purl, nameless};
use crate::text::{self, items, string};

#[derive(Default)]
struct Package {
    id: String,
    name: String,
    version: String,
    purl: Option<String>,
    hashes: Vec<Hash>,
}

/// What a document says of its packages.
#[derive(Default)]
struct Document {
    packages: Vec<Package>,
    /// Ids of what the document is about.
    described: HashSet<String>,
    /// What those depend on or contain.
    relations: Vec<(String, String, String)>,
}

pub(crate) fn parse_json(text: &str, out: &mut Draft) -> Result<(), String> {
    let json = text::json(text)?;
    if json.get("@graph").is_some() {
        return Err("SPDX 3 is not supported; write SPDX 2.3 or CycloneDX".into());
    }
    let mut document = Document::default();
    for described in items(&json, "documentDescribes").filter_map(|one| one.as_str()) {
        document.described.insert(described.to_owned());
    }
    for package in items(&json, "packages") {
        let of = |key: &str| string(package, key).unwrap_or_default().to_owned();
        let purl = items(package, "externalRefs")
            .find(|one| string(one, "referenceType") == Some("purl"))
            .and_then(|one| string(one, "referenceLocator"));
        let hashes = items(package, "checksums")
            .filter_map(|one| Hash::hex(string(one, "algorithm")?, string(one, "checksumValue")?));
        document.packages.push(Package {
            id: of("SPDXID"),
            name: of("name"),
            version: of("versionInfo"),
            purl: purl.map(str::to_owned),
            hashes: hashes.collect(),
        });
    }
    for relation in items(&json, "relationships") {
        let of = |key: &str| string(relation, key).unwrap_or_default();
        document.relate(
            of("spdxElementId"),
            of("relationshipType"),
            of("relatedSpdxElement"),
        );
    }
    document.list(out);
    Ok(())
}

pub(crate) fn parse_tags(text: &str, out: &mut Draft) -> Result<(), String> {
    let mut document = Document::default();
    // A document's own id stands before the first package.
    let mut in_package = false;
    let mut in_text = false;
    for line in text.lines() {
        if in_text {
            in_text = !line.contains("</text>");
            continue;
        }
        let Some((tag, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        in_text = value.contains("<text>") && !value.contains("</text>");
        match tag.trim() {
            "PackageName" => {
                in_package = true;
                document.packages.push(Package {
                    name: value.to_owned(),
                    ..Package::default()
                });
            }
            "FileName" | "SnippetSPDXID" => in_package = false,
            "Relationship" => {
                let mut words = value.split_ascii_whitespace();
                if let (Some(from), Some(kind), Some(to)) =
                    (words.next(), words.next(), words.next())
                {
                    document.relate(from, kind, to);
                }
            }
            tag if in_package => document.tag(tag, value),
            _ => {}
        }
    }
    document.list(out);
    Ok(())
}

impl Document {
    fn tag(&mut self, tag: &str, value: &str) {
        let Some(package) = self.packages.last_mut() else {
            return;
        };
        match tag {
            "SPDXID" => package.id = value.to_owned(),
            "PackageVersion" => package.version = value.to_owned(),
            "PackageChecksum" => {
                let sum = value.split_once(':');
                package
                    .hashes
                    .extend(sum.and_then(|(kind, sum)| Hash::hex(kind.trim(), sum.trim())));
            }
            "ExternalRef" => {
                let words: Vec<&str> = value.split_ascii_whitespace().collect();
                if let [_, "purl", purl, ..] = words[..] {
                    package.purl = Some(purl.to_owned());
                }
            }
            _ => {}
        }
    }

    fn relate(&mut self, from: &str, kind: &str, to: &str) {
        match kind {
            "DESCRIBES" => {
                self.described.insert(to.to_owned());
            }
            "DESCRIBED_BY" => {
                self.described.insert(from.to_owned());
            }
            _ => self
                .relations
                .push((from.to_owned(), kind.to_owned(), to.to_owned())),
        }
    }

    fn list(self, out: &mut Draft) {
        // What the document is about is no dependency of itself, unless there is nothing else.
        let other = self
            .packages
            .iter()
            .any(|package| !self.described.contains(&package.id));
        let mut direct = HashSet::new();
        let mut dev = HashSet::new();
        let mut optional = HashSet::new();
        for (from, kind, to) in &self.relations {
            let (parent, child) = match kind.as_str() {
                "DEPENDS_ON" | "CONTAINS" => (from, to),
                "DEPENDENCY_OF"
                | "DEV_DEPENDENCY_OF"
                | "TEST_DEPENDENCY_OF"
                | "OPTIONAL_DEPENDENCY_OF"
                | "RUNTIME_DEPENDENCY_OF"
                | "BUILD_DEPENDENCY_OF"
                | "PROVIDED_DEPENDENCY_OF" => (to, from),
                _ => continue,
            };
            if self.described.contains(parent) {
                direct.insert(child.as_str());
            }
            if kind.starts_with("DEV_") || kind.starts_with("TEST_") {
                dev.insert(child.as_str());
            }
            if kind.starts_with("OPTIONAL_") {
                optional.insert(child.as_str());
            }
        }
        for package in &self.packages {
            if other && self.described.contains(&package.id) {
                continue;
            }
            let id = package.id.as_str();
            let entry = match &package.purl {
                Some(purl) => by_purl(purl),
                None => nameless(&package.name, &package.version),
            };
            out.add(
                entry
                    .at(id)
                    .direct((!direct.is_empty()).then(|| direct.contains(id)))
                    .dev(dev.contains(id))
                    .optional(optional.contains(id))
                    .hashes(package.hashes.iter().cloned()),
            );
        }
    }
}
