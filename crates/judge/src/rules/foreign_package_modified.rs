use std::collections::BTreeMap;

use apa_model::{Confidence, Event, Owner, Severity};

use super::{Hit, Rule, RuleInfo, list};
use crate::paths;
use crate::view::View;

pub(crate) struct ForeignPackageModified;

static INFO: RuleInfo = RuleInfo {
    id: "foreign-package-modified",
    title: "The code of another installed package was changed",
    severity: Severity::High,
    confidence: Confidence::Medium,
    attack: &["T1554"],
    explanation: "Package code wrote over a source file that the package manager had unpacked for another package. What other code was \
                  reviewed for is then not what runs. Compiled caches, and files that the package itself had made, are left \
                  alone.",
};

impl Rule for ForeignPackageModified {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut by_owner: BTreeMap<&Owner, Vec<(&Event, String)>> = BTreeMap::new();
        for (event, path) in view.overwrites() {
            let foreign = is_code_of_a_package(path)
                && !view.is_package_file(path)
                && !paths::is_build_area(path)
                && !belongs_to(&event.owner, path);
            if foreign {
                by_owner
                    .entry(&event.owner)
                    .or_default()
                    .push((*event, view.short(path)));
            }
        }
        by_owner
            .into_iter()
            .filter_map(|(owner, changed)| {
                let (first, _) = changed.first()?;
                let what = list(changed.iter().map(|(_, path)| path.clone()), 3);
                let when = view.when(first.phase, Some(first.process));
                let clause = format!("changes code of other packages ({what}) {when}");
                let hit = Hit::new(&INFO, owner, first.phase, clause);
                Some(changed.iter().take(6).fold(hit, |hit, (event, path)| {
                    hit.event(view, event, format!("{path} changed"))
                }))
            })
            .collect()
    }
}

fn is_code_of_a_package(path: &str) -> bool {
    let library = path.contains("/node_modules/") || paths::is_python_library(path);
    let code = [".js", ".cjs", ".mjs", ".json", ".py", ".so", ".node"]
        .iter()
        .any(|extension| path.ends_with(extension));
    library && code && !path.contains("/.cache/") && !path.contains("/.package-lock.json")
}

/// A dependency's own files are its own business.
fn belongs_to(owner: &Owner, path: &str) -> bool {
    let Owner::Dependency(name) = owner else {
        return false;
    };
    let name = name.lossy();
    path.contains(&format!("/node_modules/{name}/"))
        || path.contains(&format!("-packages/{}/", name.replace('-', "_")))
}

#[cfg(test)]
mod tests {
    use crate::testing::Scene;

    const OTHER: &str = "/home/kim/app/node_modules/other/index.js";

    #[test]
    fn writing_over_anothers_code_is_found() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm"]);
        scene.at(npm).write(OTHER);
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene.at(hook).write(OTHER);
        let finding = scene.finding("foreign-package-modified");
        assert!(finding.explanation.lossy().contains("other/index.js"));
    }

    #[test]
    fn own_files_new_files_and_a_dependencys_own_are_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm"]);
        scene
            .at(npm)
            .write("/home/kim/app/node_modules/left-pad/index.js")
            .write(OTHER);
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene
            .at(hook)
            .write("/home/kim/app/node_modules/left-pad/index.js")
            .write("/home/kim/app/node_modules/other/new.js");
        let other = scene.dependency("other", "/usr/bin/node", &["node", "install.js"]);
        scene.at(other).write(OTHER);
        assert!(scene.findings("foreign-package-modified").is_empty());
    }
}
