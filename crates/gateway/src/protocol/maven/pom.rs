use std::collections::{BTreeMap, BTreeSet};

use apa_model::{Ecosystem, PackageRef};
use roxmltree::Node;

use super::xml::{child, content, list, text, with_root};

/// How deep `${…}` may lead to further `${…}`.
const DEPTH: usize = 16;
/// Longest value after all are replaced, bytes.
const VALUE: usize = 4096;

/// A project object model as it is written: nothing is inherited, and `${…}` are still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pom {
    /// What it inherits from.
    pub parent: Option<Coordinates>,
    /// Group; the parent's where it has none.
    pub group: Option<String>,
    /// Artifact.
    pub artifact: Option<String>,
    /// Version; the parent's where it has none.
    pub version: Option<String>,
    /// `jar` where it says nothing.
    pub packaging: Option<String>,
    /// Values for `${name}`.
    pub properties: BTreeMap<String, String>,
    /// What it depends on.
    pub dependencies: Vec<PomDependency>,
    /// Versions and scopes for dependencies that state none.
    pub managed: Vec<PomDependency>,
    /// Plugins and extensions of its build, with what those depend on.
    pub build: Vec<Coordinates>,
    /// Where the artifact has moved to.
    pub relocation: Option<Coordinates>,
    /// Names of developers, as they call themselves.
    pub developers: Vec<String>,
}

/// Which artifact; parts may be missing or hold `${…}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coordinates {
    /// Group.
    pub group: Option<String>,
    /// Artifact.
    pub artifact: Option<String>,
    /// Version.
    pub version: Option<String>,
}

/// A dependency of a POM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PomDependency {
    /// Of what.
    pub at: Coordinates,
    /// `jar` where it says nothing.
    pub kind: Option<String>,
    /// Which variant.
    pub classifier: Option<String>,
    /// `compile` where it says nothing.
    pub scope: Option<String>,
    /// Not taken over by those who depend on this project.
    pub optional: bool,
    /// Group and artifact (or `*`) of what is left out below it.
    pub exclusions: Vec<(String, String)>,
}

impl Pom {
    /// Reads a POM.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        with_root(bytes, |root| match root.tag_name().name() {
            "project" => Ok(Self::of(root)),
            other => Err(format!("its root element is <{other}>, not <project>")),
        })?
    }

    fn of(root: Node<'_, '_>) -> Self {
        let here = Coordinates::of(root);
        let management = child(root, "dependencyManagement");
        let relocation = child(root, "distributionManagement")
            .and_then(|management| child(management, "relocation"));
        Self {
            parent: child(root, "parent").map(Coordinates::of),
            group: here.group,
            artifact: here.artifact,
            version: here.version,
            packaging: text(root, "packaging"),
            properties: properties(root),
            dependencies: list(root, "dependencies", "dependency")
                .map(PomDependency::of)
                .collect(),
            managed: management.map_or_else(Vec::new, |management| {
                list(management, "dependencies", "dependency")
                    .map(PomDependency::of)
                    .collect()
            }),
            build: child(root, "build").map_or_else(Vec::new, build),
            relocation: relocation.map(Coordinates::of),
            developers: list(root, "developers", "developer")
                .filter_map(|one| text(one, "name").or_else(|| text(one, "id")))
                .take(20)
                .collect(),
        }
    }

    /// `text` with each `${…}` replaced that this POM itself knows, its coordinates included.
    pub fn fill(&self, text: &str) -> String {
        self.fill_at(text, 0)
    }

    fn fill_at(&self, text: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                out.push_str("${");
                rest = after;
                break;
            };
            match self.property(name).filter(|_| depth < DEPTH) {
                Some(value) => out.push_str(&self.fill_at(&value, depth + 1)),
                None => out.push_str(&format!("${{{name}}}")),
            }
            rest = after;
            if out.len() > VALUE {
                return out;
            }
        }
        out.push_str(rest);
        out
    }

    fn property(&self, name: &str) -> Option<String> {
        let own = name
            .strip_prefix("project.")
            .or_else(|| name.strip_prefix("pom."));
        let parent = self.parent.as_ref();
        let known = match own.unwrap_or(name) {
            "groupId" => self.group.as_ref().or(parent?.group.as_ref()),
            "artifactId" => self.artifact.as_ref(),
            "version" => self.version.as_ref().or(parent?.version.as_ref()),
            "parent.groupId" => parent?.group.as_ref(),
            "parent.artifactId" => parent?.artifact.as_ref(),
            "parent.version" => parent?.version.as_ref(),
            _ => None,
        };
        self.properties.get(name).or(known).cloned()
    }

    /// Names of all that whoever uses or builds this project may ask a repository for.
    pub fn mentions(&self) -> BTreeSet<String> {
        let dependencies = self.dependencies.iter().chain(&self.managed);
        self.parent
            .iter()
            .chain(dependencies.map(|dependency| &dependency.at))
            .chain(&self.build)
            .chain(&self.relocation)
            .filter_map(|at| self.name_of(at))
            .collect()
    }

    /// `group:artifact`, if both are known here.
    fn name_of(&self, at: &Coordinates) -> Option<String> {
        let own = || self.group.clone().or(self.parent.as_ref()?.group.clone());
        let group = at.group.clone().or_else(own)?;
        let name = format!("{}:{}", self.fill(&group), self.fill(at.artifact.as_ref()?));
        Some(PackageRef::new(Ecosystem::Maven, &name, None).ok()?.name)
    }
}

impl Coordinates {
    fn of(node: Node<'_, '_>) -> Self {
        Self {
            group: text(node, "groupId"),
            artifact: text(node, "artifactId"),
            version: text(node, "version"),
        }
    }
}

impl PomDependency {
    fn of(node: Node<'_, '_>) -> Self {
        Self {
            at: Coordinates::of(node),
            kind: text(node, "type"),
            classifier: text(node, "classifier"),
            scope: text(node, "scope"),
            optional: text(node, "optional").as_deref() == Some("true"),
            exclusions: list(node, "exclusions", "exclusion")
                .map(|one| {
                    let part = |name| text(one, name).unwrap_or_else(|| "*".to_owned());
                    (part("groupId"), part("artifactId"))
                })
                .collect(),
        }
    }
}

fn properties(root: Node<'_, '_>) -> BTreeMap<String, String> {
    // The only part of a project, other than its coordinates, that versions are taken from.
    let maven = child(root, "prerequisites").and_then(|node| text(node, "maven"));
    let maven = maven.map(|version| ("project.prerequisites.maven".to_owned(), version));
    child(root, "properties")
        .into_iter()
        .flat_map(|properties| properties.children())
        .filter(Node::is_element)
        .map(|one| {
            let name = one.tag_name().name().to_owned();
            (name, content(one).unwrap_or_default())
        })
        .chain(maven)
        .collect()
}

fn build(build: Node<'_, '_>) -> Vec<Coordinates> {
    const PLUGINS: &str = "org.apache.maven.plugins";
    let plugins = list(build, "plugins", "plugin");
    let managed = child(build, "pluginManagement");
    let managed = managed
        .into_iter()
        .flat_map(|managed| list(managed, "plugins", "plugin"));
    let mut found: Vec<_> = list(build, "extensions", "extension")
        .map(Coordinates::of)
        .collect();
    for plugin in plugins.chain(managed) {
        let mut at = Coordinates::of(plugin);
        at.group.get_or_insert_with(|| PLUGINS.to_owned());
        found.push(at);
        found.extend(list(plugin, "dependencies", "dependency").map(Coordinates::of));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POM: &str = r#"<?xml version="1.0"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <parent><groupId>com.parent</groupId><artifactId>top</artifactId><version>7</version></parent>
  <artifactId>demo</artifactId>
  <prerequisites><maven>3.0</maven></prerequisites>
  <properties><a>${b}</a><b>x${project.version}</b><loop>${loop}</loop></properties>
  <dependencies>
    <dependency><groupId>${project.groupId}</groupId><artifactId>core</artifactId><version>${a}</version></dependency>
    <dependency><groupId>com.other</groupId><artifactId>t</artifactId><scope>test</scope><optional>true</optional>
      <exclusions><exclusion><groupId>e</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
  </dependencies>
  <dependencyManagement><dependencies><dependency><groupId>com.bom</groupId><artifactId>bom</artifactId>
    <version>1</version><type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement>
  <build><plugins><plugin><artifactId>maven-x-plugin</artifactId></plugin></plugins></build>
</project>"#;

    #[test]
    fn what_a_project_needs_is_read_with_its_own_properties() {
        let pom = Pom::parse(POM.as_bytes()).unwrap();
        let names: Vec<_> = pom.mentions().into_iter().collect();
        assert_eq!(
            names,
            [
                "com.bom:bom",
                "com.other:t",
                "com.parent:core",
                "com.parent:top",
                "org.apache.maven.plugins:maven-x-plugin"
            ]
        );
        assert_eq!(pom.fill("${a}-${nobody}-${"), "x7-${nobody}-${");
        assert_eq!(pom.fill("${project.prerequisites.maven}"), "3.0");
        assert!(pom.dependencies[1].optional);
        assert_eq!(
            pom.dependencies[1].exclusions,
            [("e".to_owned(), "*".to_owned())]
        );
    }

    #[test]
    fn properties_that_lead_in_circles_or_grow_end() {
        let pom = Pom::parse(POM.as_bytes()).unwrap();
        assert!(pom.fill("${loop}").len() < 100);
        let mut wide = Pom::default();
        for level in 0..DEPTH {
            let next = format!("${{p{}}}", level + 1).repeat(10);
            wide.properties.insert(format!("p{level}"), next);
        }
        wide.properties.insert(format!("p{DEPTH}"), "x".repeat(100));
        assert!(wide.fill("${p0}").len() < 20 * VALUE);
    }

    #[test]
    fn external_entities_and_other_documents_are_refused() {
        let entity = r#"<!DOCTYPE project [<!ENTITY e SYSTEM "file:///etc/passwd">]><project><artifactId>&e;</artifactId></project>"#;
        for bad in [entity, "<html/>", "", "<project>", "\u{0}"] {
            assert!(Pom::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let latin = b"<project><name>\xe9</name><artifactId>a</artifactId></project>";
        assert_eq!(Pom::parse(latin).unwrap().artifact.as_deref(), Some("a"));
    }

    proptest! {
        #[test]
        fn no_document_panics(text in "(<project>|<parent>|</[a-z]*>|<[a-z]*>|\\$\\{|\\}|[a-z.]|&#?[a-z0-9]*;){0,40}") {
            if let Ok(pom) = Pom::parse(text.as_bytes()) {
                let _ = pom.mentions();
            }
        }
    }
}
