use apa_archive::Archive;
use apa_model::Anomaly;

use super::manifest::{Manifest, part};
use crate::Identity;
use crate::text::excerpt;
use crate::yaml::Yaml;

/// Most facts of one kind.
const MOST: usize = 50;

/// What a gem says about itself.
pub(super) fn facts(archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
    let Some(manifest) = Manifest::read(archive) else {
        let detail = "the gem has no specification that can be read";
        return vec![fact("no-manifest", "metadata.gz", detail)];
    };
    let mut facts = Vec::new();
    for script in manifest.extensions().into_iter().take(MOST) {
        facts.push(fact("build-script", script, "runs at installation"));
    }
    if let Some(plugin) = manifest.plugin() {
        facts.push(fact(
            "gem-plugin",
            &plugin,
            "runs at every gem command once it is installed",
        ));
    }
    let stated = [
        ("name", &identity.name, manifest.name()),
        ("version", &identity.version, manifest.version()),
    ];
    for (field, expected, found) in stated {
        let Some(expected) = expected else { continue };
        if found != Some(expected.as_str()) {
            let found = found.unwrap_or("missing");
            let detail =
                format!("the registry's {field} is {expected}, the specification's is {found}");
            facts.push(fact("manifest-mismatch", "metadata.gz", &detail));
        }
    }
    facts.extend(checksums(archive));
    facts
}

/// RubyGems installs nothing whose own checksums do not fit.
fn checksums(archive: &Archive) -> Vec<Anomaly> {
    let stated = part(archive, "checksums.yaml.gz").and_then(|text| Yaml::parse(&text));
    let Some(stated) = stated else {
        return Vec::new();
    };
    let sums = stated.get("SHA256");
    let wrong = archive.parts.iter().filter(|part| {
        let sum = sums.and_then(|sums| sums.get(&part.name.lossy())?.text());
        sum.is_some_and(|sum| sum != part.sha256)
    });
    wrong
        .take(MOST)
        .map(|part| {
            let detail = "its bytes are not those that checksums.yaml.gz states";
            fact("checksum-mismatch", &part.name.lossy(), detail)
        })
        .collect()
}

fn fact(kind: &str, path: &str, detail: &str) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: path.into(),
        detail: excerpt(detail, 300),
    }
}
