use apa_archive::Archive;
use apa_model::{Anomaly, Hostile};

use super::manifest::Manifest;
use crate::Identity;
use crate::text::excerpt;

/// What an npm archive says about itself.
pub(super) fn facts(archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
    let Some(manifest) = Manifest::read(archive) else {
        return vec![fact(
            "no-manifest",
            "the archive has no package.json".into(),
        )];
    };
    let mut facts = Vec::new();
    for (hook, script) in manifest.hooks() {
        let kind = if manifest.builds_implicitly() && script == "node-gyp rebuild" {
            "implicit-build"
        } else {
            "lifecycle-script"
        };
        let detail =
            format!("{hook} runs at installation (npm 12 and later block it by default): ");
        facts.push(fact(kind, join(&detail, script)));
    }
    for dependency in manifest.dependencies() {
        if dependency.is_elsewhere() {
            let detail = format!(
                "{} of {} is not from the registry: ",
                dependency.table, dependency.name
            );
            facts.push(fact("remote-dependency", join(&detail, dependency.spec)));
        }
    }
    for (field, expected) in [("name", &identity.name), ("version", &identity.version)] {
        let Some(expected) = expected else { continue };
        let found = manifest.text(field);
        if found != Some(expected.as_str()) {
            let detail = format!("the registry's {field} is {expected}, the manifest's is ");
            facts.push(fact(
                "manifest-mismatch",
                join(&detail, found.unwrap_or("missing")),
            ));
        }
    }
    facts
}

fn fact(kind: &str, detail: Hostile) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: "package.json".into(),
        detail,
    }
}

fn join(before: &str, hostile: &str) -> Hostile {
    excerpt(&format!("{before}{hostile}"), 300)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::archive;
    use super::*;
    use apa_model::ArtifactKind;

    fn kinds(json: &str, files: &[&str]) -> Vec<String> {
        let identity = Identity {
            name: Some("a".into()),
            version: Some("1.0.0".into()),
            kind: ArtifactKind::NpmTarball,
        };
        facts(&archive(json, files), &identity)
            .into_iter()
            .map(|fact| fact.kind)
            .collect()
    }

    #[test]
    fn hooks_remote_dependencies_and_contradictions_are_facts() {
        assert!(
            kinds(
                r#"{"name":"a","version":"1.0.0","scripts":{"test":"x"}}"#,
                &[]
            )
            .is_empty()
        );
        assert_eq!(
            kinds(
                r#"{"name":"b","version":"1.0.0","scripts":{"postinstall":"x"},
                    "dependencies":{"c":"^1","d":"npm:e@1","f":"git+ssh://h.test/f","g":"u/g","i":"http://h.test/i.tgz"}}"#,
                &[]
            ),
            [
                "lifecycle-script",
                "remote-dependency",
                "remote-dependency",
                "remote-dependency",
                "manifest-mismatch"
            ]
        );
        assert_eq!(
            kinds(r#"{"name":"a","version":"1.0.0"}"#, &["binding.gyp"]),
            ["implicit-build"]
        );
    }
}
