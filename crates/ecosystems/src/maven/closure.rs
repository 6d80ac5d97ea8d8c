//! Which jars lie on the class path when an artifact is used: Maven's own way, nearest first.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use apa_gateway::Gateway;
use apa_gateway::maven::{MavenFile, Pom, PomDependency};
use apa_model::{Incomplete, IncompleteCode, PackageRef, Phase};
use futures::future::join_all;

use super::jar::is_class_name;
use super::model::{Models, Trouble, key};
use crate::adapter::{Provided, Provision};

/// Most dependencies.
const MOST: usize = 400;
/// Longest way from the artifact to a dependency.
const DEPTH: usize = 60;
/// Most dependencies that are loaded by themselves, nearest first.
const MOST_LOADED: usize = 12;
/// Most classes of each.
const MOST_CLASSES: usize = 250;

/// A dependency on the way, with what those who need it leave out below it.
#[derive(Clone)]
struct Node {
    name: String,
    version: String,
    classifier: Option<String>,
    kind: String,
    exclusions: Arc<Vec<(String, String)>>,
}

impl Node {
    /// What only one version of may be on the class path.
    fn id(&self) -> (String, String, Option<String>) {
        let (name, kind) = (self.name.clone(), self.kind.clone());
        (name, kind, self.classifier.clone())
    }
}

/// What an artifact with this POM needs at run time.
pub(super) async fn closure(gateway: &Gateway, pom: Pom) -> Provision {
    let mut provision = Provision::default();
    let models = Models::new(gateway);
    let found = match models.complete(pom).await {
        Ok(root) => walk(&models, &root, &mut provision).await,
        Err(why) => {
            trouble(&mut provision, &why);
            Vec::new()
        }
    };
    let fetched = found.iter().map(|node| fetch(gateway, node));
    for fetched in join_all(fetched).await {
        match fetched {
            Ok(provided) => provision.dependencies.extend(provided),
            Err(why) => trouble(&mut provision, &why),
        }
    }
    for dependency in provision.dependencies.iter_mut().take(MOST_LOADED) {
        dependency.entries = classes(&dependency.path);
    }
    provision
}

/// Names of the first classes in a jar, by its directory alone.
fn classes(path: &Path) -> Vec<String> {
    let jar = File::open(path)
        .ok()
        .and_then(|file| zip::ZipArchive::new(file).ok());
    let Some(jar) = jar else {
        return Vec::new();
    };
    jar.file_names()
        .filter(|name| !name.starts_with("META-INF/"))
        .filter_map(|name| name.strip_suffix(".class"))
        .map(|name| name.replace('/', "."))
        .filter(|name| is_class_name(name) && !name.ends_with("-info"))
        .take(MOST_CLASSES)
        .collect()
}

fn trouble(provision: &mut Provision, why: &str) {
    provision.incomplete.push(Incomplete {
        code: IncompleteCode::Registry,
        phase: Some(Phase::Fetch),
        detail: format!("a dependency is missing on the class path: {why}").into(),
    });
}

/// Level by level, so that the nearest of several versions wins; among equals the one named first.
async fn walk(models: &Models<'_>, root: &Pom, provision: &mut Provision) -> Vec<Node> {
    let mut found: Vec<Node> = Vec::new();
    // It lies on the class path already.
    let itself = |part: &Option<String>| part.clone().unwrap_or_default();
    let root_name = format!("{}:{}", itself(&root.group), itself(&root.artifact));
    let mut seen = HashSet::from([(root_name, "jar".to_owned(), None)]);
    let none = Arc::new(Vec::new());
    let mut level = needed(models, root, root, &none, provision).await;
    for _ in 0..DEPTH {
        let mut fresh = Vec::new();
        for node in level {
            if seen.insert(node.id()) {
                fresh.push(node);
            }
        }
        if found.len() + fresh.len() > MOST {
            trouble(provision, &format!("it has more than {MOST}"));
            return found;
        }
        if fresh.is_empty() {
            return found;
        }
        let poms = join_all(
            fresh
                .iter()
                .map(|node| models.of(&node.name, &node.version)),
        )
        .await;
        level = Vec::new();
        for (mut node, pom) in fresh.into_iter().zip(poms) {
            match pom {
                Ok((name, version, pom)) => {
                    let moved = name != node.name;
                    (node.name, node.version) = (name, version);
                    if moved && !seen.insert(node.id()) {
                        continue;
                    }
                    let below = needed(models, &pom, root, &node.exclusions, provision).await;
                    level.extend(below);
                }
                // Its jar may be there all the same.
                Err(why) => trouble(provision, &why),
            }
            found.push(node);
        }
    }
    trouble(
        provision,
        &format!("they are nested more than {DEPTH} deep"),
    );
    found
}

/// What `pom` needs at run time, with the versions that `root` prescribes.
async fn needed(
    models: &Models<'_>,
    pom: &Pom,
    root: &Pom,
    excluded: &Arc<Vec<(String, String)>>,
    provision: &mut Provision,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    // What the root says of versions holds for all below it, but not for what it states itself.
    let below = !std::ptr::eq(pom, root);
    let (prescribed, own) = (managed(root), managed(pom));
    for dependency in &pom.dependencies {
        let prescribed = prescribed.get(&key(dependency)).filter(|_| below);
        let rules = Rules {
            prescribed: prescribed.copied(),
            own: own.get(&key(dependency)).copied(),
        };
        match node(dependency, &rules, excluded) {
            Ok(Some(mut node)) => match models.version(&node.name, &node.version).await {
                Ok(version) => {
                    node.version = version;
                    nodes.push(node);
                }
                Err(why) => trouble(provision, &why),
            },
            Ok(None) => {}
            Err(why) => trouble(provision, &why),
        }
    }
    nodes
}

type Managed<'p> = BTreeMap<(&'p str, &'p str, &'p str, &'p str), &'p PomDependency>;

fn managed(pom: &Pom) -> Managed<'_> {
    let mut by_key = BTreeMap::new();
    for dependency in &pom.managed {
        by_key.entry(key(dependency)).or_insert(dependency);
    }
    by_key
}

/// What dependency managements say about one dependency.
struct Rules<'p> {
    prescribed: Option<&'p PomDependency>,
    own: Option<&'p PomDependency>,
}

impl<'p> Rules<'p> {
    fn any(&self) -> impl Iterator<Item = &'p PomDependency> {
        self.prescribed.into_iter().chain(self.own)
    }
}

/// The dependency as a node of the closure; `None` when it is not needed at run time.
fn node(
    dependency: &PomDependency,
    rules: &Rules<'_>,
    excluded: &Arc<Vec<(String, String)>>,
) -> Result<Option<Node>, Trouble> {
    let ruled = |part: fn(&PomDependency) -> Option<&String>| rules.any().find_map(part);
    let scope = dependency.scope.as_ref();
    let scope = scope.or_else(|| ruled(|rule| rule.scope.as_ref()));
    let needed = matches!(
        scope.map(String::as_str),
        None | Some("compile" | "runtime")
    );
    let (group, artifact, kind, classifier) = key(dependency);
    if !needed || dependency.optional || leaves_out(excluded, group, artifact) {
        return Ok(None);
    }
    let prescribed = rules.prescribed.and_then(|rule| rule.at.version.as_ref());
    let version = prescribed
        .or(dependency.at.version.as_ref())
        .or_else(|| ruled(|rule| rule.at.version.as_ref()));
    let name = format!("{group}:{artifact}");
    let version = version.ok_or_else(|| format!("nothing says which version of {name}"))?;
    let plain = PackageRef::new(apa_model::Ecosystem::Maven, &name, None).is_ok();
    if !plain || version.contains("${") {
        return Err(format!("{name} {version} cannot be filled in"));
    }
    let mut exclusions: Vec<_> = excluded.as_ref().clone();
    exclusions.extend(dependency.exclusions.iter().cloned());
    exclusions.extend(rules.any().flat_map(|rule| rule.exclusions.iter().cloned()));
    exclusions.sort();
    exclusions.dedup();
    Ok(Some(Node {
        name,
        version: version.clone(),
        classifier: match kind {
            "test-jar" => Some("tests".to_owned()),
            _ => (!classifier.is_empty()).then(|| classifier.to_owned()),
        },
        kind: kind.to_owned(),
        exclusions: Arc::new(exclusions),
    }))
}

fn leaves_out(exclusions: &[(String, String)], group: &str, artifact: &str) -> bool {
    let fits = |pattern: &str, text: &str| pattern == "*" || pattern == text;
    exclusions
        .iter()
        .any(|(g, a)| fits(g, group) && fits(a, artifact))
}

/// The jar of a dependency and its POM; nothing for what only groups others.
async fn fetch(gateway: &Gateway, node: &Node) -> Result<Option<Provided>, Trouble> {
    let extension = match node.kind.as_str() {
        "pom" => return Ok(None),
        kind @ ("war" | "zip" | "aar" | "tar.gz" | "so" | "exe" | "dll") => kind,
        _ => "jar",
    };
    let file = MavenFile::new(
        &node.name,
        &node.version,
        node.classifier.as_deref(),
        extension,
    );
    let told =
        |error: apa_gateway::GatewayError| format!("{} {}: {error}", node.name, node.version);
    let path = gateway.maven_file(&file).await.map_err(told)?;
    Ok(Some(Provided {
        name: node.name.clone(),
        version: node.version.clone(),
        filename: file.file,
        path,
        entries: Vec::new(),
    }))
}
