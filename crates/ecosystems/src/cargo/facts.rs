use apa_archive::{Archive, EntryKind};
use apa_model::{Anomaly, Hostile};

use super::macros;
use super::manifest::Manifest;
use crate::Identity;
use crate::text::excerpt;

/// What puts code into a program's start-up, as it is written in source.
const START_UP: [&[u8]; 3] = [b".init_array", b".ctors", b"#[ctor"];

/// What a crate says about itself.
pub(super) fn facts(archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
    let Some(manifest) = Manifest::read(archive) else {
        let detail = "the archive has no Cargo.toml".into();
        return vec![fact("no-manifest", "Cargo.toml", detail)];
    };
    let mut facts = hooks(&manifest);
    facts.extend(start_up(archive));
    for dependency in manifest.dependencies() {
        if let Some(elsewhere) = dependency.elsewhere {
            let before = format!(
                "{} of {} is not from the registry: ",
                dependency.table, dependency.name
            );
            let detail = join(&before, elsewhere);
            facts.push(fact("remote-dependency", "Cargo.toml", detail));
        }
    }
    for (field, expected) in [("name", &identity.name), ("version", &identity.version)] {
        let Some(expected) = expected else { continue };
        let found = manifest.text(field);
        if found != Some(expected.as_str()) {
            let before = format!("the registry's {field} is {expected}, the manifest's is ");
            let detail = join(&before, found.unwrap_or("missing"));
            facts.push(fact("manifest-mismatch", "Cargo.toml", detail));
        }
    }
    facts
}

/// What runs while the crate is built.
fn hooks(manifest: &Manifest<'_>) -> Vec<Anomaly> {
    let mut facts = Vec::new();
    if let Some(script) = manifest.build_script() {
        let detail = "runs when the crate, or whatever depends on it, is built".into();
        facts.push(fact("build-script", script, detail));
    }
    if manifest.is_macro() {
        let detail = match manifest.lib_source().and_then(macros::exported) {
            Some(found) => {
                let names: Vec<_> = found.iter().map(macros::Macro::label).collect();
                join("runs inside the compiler: ", &names.join(", "))
            }
            None => "runs inside the compiler; its macros cannot be listed".into(),
        };
        facts.push(fact("procedural-macro", "Cargo.toml", detail));
    }
    if let Some(library) = manifest.text("links") {
        let detail = join("is linked with the native library ", library);
        facts.push(fact("links-native-library", "Cargo.toml", detail));
    }
    facts
}

/// Source files with code that runs before `main` of whatever is linked with the crate.
fn start_up(archive: &Archive) -> impl Iterator<Item = Anomaly> {
    archive
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File && entry.path.as_bytes().ends_with(b".rs"))
        .filter_map(|entry| {
            let mark = START_UP
                .iter()
                .find(|mark| entry.bytes.windows(mark.len()).any(|part| part == **mark))?;
            let detail = format!(
                "names {}: code that runs before main of whatever is linked with it",
                String::from_utf8_lossy(mark)
            );
            Some(Anomaly {
                kind: "start-up-code".to_owned(),
                path: entry.path.clone(),
                detail: detail.into(),
            })
        })
        .take(20)
}

fn fact(kind: &str, path: &str, detail: Hostile) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: path.into(),
        detail,
    }
}

fn join(before: &str, hostile: &str) -> Hostile {
    excerpt(&format!("{before}{hostile}"), 300)
}

#[cfg(test)]
mod tests {
    use apa_model::ArtifactKind;

    use super::super::manifest::tests::archive;
    use super::*;

    fn kinds(manifest: &str, files: &[(&str, &str)]) -> Vec<String> {
        let identity = Identity {
            name: Some("a".into()),
            version: Some("1.0.0".into()),
            kind: ArtifactKind::Crate,
        };
        facts(&archive(manifest, files), &identity)
            .into_iter()
            .map(|fact| fact.kind)
            .collect()
    }

    #[test]
    fn a_plain_library_has_nothing_to_tell() {
        let manifest = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n[dependencies]\nb = \"1\"\n";
        assert!(kinds(manifest, &[("src/lib.rs", "pub fn a() {}")]).is_empty());
    }

    #[test]
    fn hooks_remote_dependencies_and_contradictions_are_facts() {
        let manifest = "[package]\nname = \"b\"\nversion = \"1.0.0\"\nlinks = \"z\"\n[lib]\nproc-macro = true\n\
            [dependencies]\ng = { git = \"http://h.test/g\" }\n";
        let files = [
            ("build.rs", "fn main() {}"),
            (
                "src/lib.rs",
                "#[link_section = \".init_array\"] static A: u8 = 0;",
            ),
        ];
        assert_eq!(
            kinds(manifest, &files),
            [
                "build-script",
                "procedural-macro",
                "links-native-library",
                "start-up-code",
                "remote-dependency",
                "manifest-mismatch"
            ]
        );
    }
}
