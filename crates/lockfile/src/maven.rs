//! `pom.xml`: direct dependencies, managed versions, build plugins, with properties filled in. Parents are read where
//! they lie beside the file; what a remote parent would decide is listed as such.

use std::collections::HashMap;

use apa_model::Ecosystem;

use crate::Files;
use crate::entry::{Draft, Entry};
use crate::xml::Element;

/// Most parents that are followed.
const PARENTS: usize = 8;
/// Most properties in one value, one inside another included.
const SUBSTITUTIONS: usize = 32;
/// Longest value with its properties filled in, bytes.
const LONGEST: usize = 1024;

pub(crate) fn parse(text: &str, files: &mut dyn Files, out: &mut Draft) -> Result<(), String> {
    let pom = Element::parse(text)?;
    if pom.name != "project" {
        return Err(format!("its root is {}, not project", pom.name));
    }
    let mut chain = vec![pom];
    follow_parents(&mut chain, files);
    let project = Project::new(&chain);
    for pom in &chain {
        project.section(pom, &["dependencies"], out);
        for profile in pom.below(&["profiles"]) {
            project.section(profile, &["dependencies"], out);
        }
        project.plugins(pom, out);
    }
    for pom in &chain {
        for dependency in pom.below(&["dependencyManagement", "dependencies"]) {
            let bom = dependency.string("scope") == Some("import");
            let entry = if bom {
                let reason = "is a bill of materials: it only sets versions";
                Entry::covered(&project.shown(dependency, ""), reason)
            } else {
                project.entry(dependency, "")
            };
            out.add(
                entry
                    .at("dependencyManagement")
                    .direct(false)
                    .optional(true),
            );
        }
    }
    Ok(())
}

fn follow_parents(chain: &mut Vec<Element>, files: &mut dyn Files) {
    let mut folder = String::new();
    while chain.len() <= PARENTS {
        let Some(parent) = chain.last().and_then(|pom| pom.child("parent")) else {
            return;
        };
        let path = match parent.child("relativePath") {
            Some(path) if path.text.is_empty() => return,
            Some(path) => path.text.clone(),
            None => "../pom.xml".to_owned(),
        };
        let path = if path.ends_with(".xml") {
            path
        } else {
            format!("{path}/pom.xml")
        };
        let path = format!("{folder}{path}");
        let wanted = parent.string("artifactId").map(str::to_owned);
        let read = files.read(&path);
        let Some(Ok(pom)) = read.map(|bytes| Element::parse(&crate::text::decode(&bytes))) else {
            return;
        };
        // What lies there may be another project.
        if pom.string("artifactId").map(str::to_owned) != wanted {
            return;
        }
        folder = path
            .rsplit_once('/')
            .map(|(folder, _)| format!("{folder}/"))
            .unwrap_or_default();
        chain.push(pom);
    }
}

struct Project {
    properties: HashMap<String, String>,
    /// `group:artifact` with the version that dependencyManagement sets.
    managed: HashMap<String, String>,
}

impl Project {
    /// `chain` is the project with its parents, nearest first.
    fn new(chain: &[Element]) -> Self {
        let mut properties = HashMap::new();
        for pom in chain.iter().rev() {
            for property in pom.below(&["properties"]) {
                properties.insert(property.name.clone(), property.text.clone());
            }
        }
        for (key, element) in [
            ("groupId", "groupId"),
            ("version", "version"),
            ("artifactId", "artifactId"),
        ] {
            let parent = chain[0]
                .child("parent")
                .and_then(|parent| parent.string(element));
            let own = chain[0].string(element).or(parent);
            for (prefix, value) in [("project", own), ("pom", own), ("project.parent", parent)] {
                if let Some(value) = value {
                    properties.insert(format!("{prefix}.{key}"), value.to_owned());
                }
            }
        }
        let mut project = Self {
            properties,
            managed: HashMap::new(),
        };
        for pom in chain.iter().rev() {
            for dependency in pom.below(&["dependencyManagement", "dependencies"]) {
                if let Some(version) = dependency.string("version") {
                    let name = project.name(dependency, "");
                    project.managed.insert(name, version.to_owned());
                }
            }
        }
        project
    }

    fn section(&self, pom: &Element, path: &[&str], out: &mut Draft) {
        for dependency in pom.below(path) {
            let scope = dependency.string("scope").map(|scope| self.fill(scope));
            let scope = scope.as_deref();
            let entry = if scope == Some("system") {
                let reason = "is a file of the machine it is built on";
                Entry::other(&self.shown(dependency, ""), reason)
            } else {
                self.entry(dependency, "")
            };
            out.add(
                entry
                    .at("dependencies")
                    .direct(true)
                    .dev(scope == Some("test"))
                    .optional(dependency.string("optional") == Some("true")),
            );
        }
    }

    /// Plugins and extensions run code in every build.
    fn plugins(&self, pom: &Element, out: &mut Draft) {
        const GROUP: &str = "org.apache.maven.plugins";
        for path in [
            &["build", "plugins"][..],
            &["build", "extensions"],
            &["build", "pluginManagement", "plugins"],
        ] {
            for plugin in pom.below(path) {
                out.add(self.entry(plugin, GROUP).at("build").direct(true).dev(true));
                self.section(plugin, &["dependencies"], out);
            }
        }
    }

    fn name(&self, dependency: &Element, group: &str) -> String {
        let of = |key: &str| self.fill(dependency.string(key).unwrap_or_default());
        let own = of("groupId");
        let group = if own.is_empty() { group } else { own.as_str() };
        format!("{group}:{}", of("artifactId"))
    }

    fn shown(&self, dependency: &Element, group: &str) -> String {
        let name = self.name(dependency, group);
        match dependency.string("version") {
            Some(version) => format!("maven:{name}@{}", self.fill(version)),
            None => format!("maven:{name}"),
        }
    }

    fn entry(&self, dependency: &Element, group: &str) -> Entry {
        let name = self.name(dependency, group);
        let shown = format!("maven:{name}");
        let version = dependency
            .string("version")
            .or_else(|| Some(self.managed.get(&name)?.as_str()));
        let Some(version) = version.map(|version| self.fill(version)) else {
            let reason = "its version is set by a parent or a bill of materials that is not here";
            return Entry::other(&shown, reason);
        };
        if version.contains("${") || name.contains("${") {
            let reason = format!("its version is a property that is not set here: {version}");
            return Entry::other(&shown, &reason);
        }
        if version.contains(['[', '(', ',']) {
            return Entry::other(&shown, &format!("its version is a range: {version}"));
        }
        Entry::package(Ecosystem::Maven, &name, &version)
    }

    /// `text` with `${…}` replaced; what is not known stays.
    fn fill(&self, text: &str) -> String {
        let mut out = text.trim().to_owned();
        let mut from = 0;
        for _ in 0..SUBSTITUTIONS {
            let Some(start) = out[from..].find("${").map(|at| at + from) else {
                break;
            };
            let Some(end) = out[start..].find('}').map(|at| at + start) else {
                break;
            };
            match self.properties.get(&out[start + 2..end]) {
                Some(value) if out.len() + value.len() <= LONGEST => {
                    out.replace_range(start..=end, value.trim());
                    from = start;
                }
                _ => from = end,
            }
        }
        out
    }
}
