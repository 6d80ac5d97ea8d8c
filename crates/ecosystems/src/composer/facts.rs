use apa_archive::Archive;
use apa_model::Anomaly;
use serde_json::Value;

use super::manifest::Manifest;
use crate::Identity;
use crate::text::excerpt;

/// Most facts of one kind.
const MOST: usize = 50;

/// What a Composer package says about itself.
pub(super) fn facts(archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
    let Some(manifest) = Manifest::read(archive) else {
        let detail = "the archive has no composer.json that can be read";
        return vec![fact("no-manifest", "composer.json", detail)];
    };
    let mut facts = Vec::new();
    if manifest.is_plugin() {
        let files = manifest.plugin_files().join(", ");
        let detail = format!("is loaded into Composer once it is allowed to: {files}");
        facts.push(fact("composer-plugin", "composer.json", &detail));
    }
    for (event, commands) in manifest.scripts().into_iter().take(MOST) {
        if is_event(event) {
            let detail = format!(
                "{event} runs when it is the project itself: {}",
                commands.join("; ")
            );
            facts.push(fact("composer-script", "composer.json", &detail));
        }
    }
    for file in manifest.autoload_files().into_iter().take(MOST) {
        let detail = "runs whenever the autoloader is loaded";
        facts.push(fact("autoload-file", &file, detail));
    }
    if manifest
        .fields()
        .get("repositories")
        .is_some_and(|it| !is_empty(it))
    {
        let detail = "names repositories of its own, which count when it is the project itself";
        facts.push(fact("own-repositories", "composer.json", detail));
    }
    let stated = [
        (
            "name",
            &identity.name,
            manifest.name().map(str::to_lowercase),
        ),
        // Mostly the tag alone says it.
        (
            "version",
            &identity.version,
            manifest.version().map(str::to_owned),
        ),
    ];
    for (field, expected, found) in stated {
        let (Some(expected), Some(found)) = (expected, found) else {
            continue;
        };
        if !expected.eq_ignore_ascii_case(&found) {
            let detail = format!("the registry's {field} is {expected}, the manifest's is {found}");
            facts.push(fact("manifest-mismatch", "composer.json", &detail));
        }
    }
    facts
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Scripts of other names run only when somebody asks for them.
fn is_event(name: &str) -> bool {
    name.starts_with("pre-") || name.starts_with("post-")
}

fn fact(kind: &str, path: &str, detail: &str) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        path: path.into(),
        detail: excerpt(detail, 300),
    }
}
