//! Java archives of Maven repositories, run by the JVM, Maven and the Java compiler.

mod class;
mod closure;
mod facts;
mod harness;
mod jar;
mod model;
mod place;
mod plan;
mod plugin;
mod resolve;
mod settings;
mod signature;
mod version;

use apa_archive::{Archive, Format};
use apa_gateway::Gateway;
use apa_gateway::maven::Pom;
use apa_model::{
    Anomaly, ArtifactKind, Ecosystem, Hostile, Incomplete, IncompleteCode, PackageRef, Phase, Plan,
};

use crate::adapter::{Provision, ProvisionInput};
use crate::{
    Adapter, BoxFuture, EcosystemError, Empty, Identity, PlanInput, RegistryOverrides, Release,
    pack,
};
use jar::Jar;

pub(crate) struct Maven;

impl Adapter for Maven {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Maven
    }

    fn registry(&self, overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
        settings::registry(overrides)
    }

    fn resolve<'a>(
        &'a self,
        gateway: &'a Gateway,
        package: &'a PackageRef,
    ) -> BoxFuture<'a, Result<Release, EcosystemError>> {
        Box::pin(resolve::resolve(gateway, package))
    }

    fn identify(&self, filename: &str, archive: &Archive) -> Option<Identity> {
        if archive.format != Format::Zip {
            return None;
        }
        let jar = Jar::read(archive)?;
        let named = [".jar", ".war", ".ear"]
            .iter()
            .any(|end| filename.ends_with(end));
        if jar.classes.is_empty() && !named {
            return None;
        }
        let plugin = jar.plugin().map(|plugin| (plugin.name, plugin.version));
        let pom = || {
            let pom = jar.pom(filename)?;
            let (name, version) = split(&coordinates(&pom)?)?;
            Some((name, version))
        };
        let found = plugin.or_else(pom).filter(|(name, version)| {
            PackageRef::new(Ecosystem::Maven, name, Some(version)).is_ok()
        });
        Some(Identity {
            name: found.as_ref().map(|(name, _)| name.clone()),
            version: found.map(|(_, version)| version),
            kind: ArtifactKind::Jar,
        })
    }

    fn provide<'a>(
        &'a self,
        gateway: &'a Gateway,
        input: ProvisionInput<'a>,
    ) -> BoxFuture<'a, Result<Provision, EcosystemError>> {
        Box::pin(async move { Ok(provide(gateway, input).await) })
    }

    fn plan(&self, input: &PlanInput<'_>) -> Plan {
        plan::plan(input)
    }

    fn roots(&self, archive: &Archive, identity: &Identity) -> Vec<String> {
        let jar = Jar::read(archive);
        let mut roots: Vec<String> = identity.name.iter().cloned().collect();
        if let Some(jar) = &jar {
            roots.extend(jar.plugin().map(|plugin| plugin.name));
            let pom = jar.pom(&filename(identity));
            roots.extend(pom.iter().flat_map(Pom::mentions));
        }
        roots.sort();
        roots.dedup();
        roots
    }

    fn static_facts(&self, archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
        facts::facts(archive, identity)
    }

    fn empty_like(&self, _kind: ArtifactKind) -> Empty {
        let mut files: Vec<(&str, &[u8])> = vec![
            ("META-INF/MANIFEST.MF", EMPTY_MANIFEST.as_bytes()),
            (
                "META-INF/maven/com.example/empty/pom.xml",
                EMPTY_POM.as_bytes(),
            ),
            ("META-INF/maven/plugin.xml", EMPTY_PLUGIN.as_bytes()),
            (
                "META-INF/services/javax.annotation.processing.Processor",
                b"empty.Empty\n",
            ),
        ];
        let classes = harness::empty().iter();
        files.extend(classes.map(|(path, bytes)| (path.as_str(), bytes.as_slice())));
        Empty {
            filename: "empty-1.0.0.jar",
            bytes: pack::zip(&files),
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["/usr/bin/java", "/usr/bin/javac", "/usr/bin/mvn"]
    }
}

/// The name a jar of these coordinates usually has.
fn filename(identity: &Identity) -> String {
    let name = identity.name.as_deref().unwrap_or_default();
    let artifact = name.split_once(':').map_or(name, |(_, artifact)| artifact);
    let version = identity.version.as_deref().unwrap_or_default();
    format!("{artifact}-{version}.jar")
}

/// `group:artifact:version` of a POM, as far as it says so without its parents.
fn coordinates(pom: &Pom) -> Option<String> {
    let parent = pom.parent.as_ref();
    let group = pom.group.clone().or_else(|| parent?.group.clone())?;
    let version = pom.version.clone().or_else(|| parent?.version.clone())?;
    Some(pom.fill(&format!("{group}:{}:{version}", pom.artifact.as_ref()?)))
}

fn split(coordinates: &str) -> Option<(String, String)> {
    let (name, version) = coordinates.rsplit_once(':')?;
    Some((name.to_owned(), version.to_owned()))
}

/// What an artifact needs on its class path. Of a published one the repository's POM counts, as it does for
/// Maven; of a file its own.
async fn provide(gateway: &Gateway, input: ProvisionInput<'_>) -> Provision {
    let own = Jar::read(input.archive).and_then(|jar| jar.pom(&filename(input.identity)));
    let (name, version) = (&input.identity.name, &input.identity.version);
    let (pom, trouble) = match (name, version) {
        (Some(name), Some(version)) if input.published => {
            match gateway.maven_pom(name, version).await {
                Ok(pom) => (Some(pom), None),
                Err(error) => (own, Some(error.to_string())),
            }
        }
        _ => (own, None),
    };
    let mut provision = match pom {
        Some(pom) => closure::closure(gateway, pom).await,
        None => Provision::default(),
    };
    provision.incomplete.extend(trouble.map(|why| Incomplete {
        code: IncompleteCode::Registry,
        phase: Some(Phase::Fetch),
        detail: Hostile::from(format!("its POM: {why}")),
    }));
    if !input.published {
        let jar = Jar::read(input.archive);
        provision.pom = jar.and_then(|jar| jar.pom_bytes(&filename(input.identity)));
    }
    provision
}

const EMPTY_MANIFEST: &str = "Manifest-Version: 1.0\nMain-Class: empty.Empty\nPremain-Class: empty.Empty\nAgent-Class: empty.Empty\n\n";
const EMPTY_POM: &str = "<project><modelVersion>4.0.0</modelVersion><groupId>com.example</groupId>\
    <artifactId>empty</artifactId><version>1.0.0</version><packaging>maven-plugin</packaging></project>\n";
const EMPTY_PLUGIN: &str = "<plugin><groupId>com.example</groupId><artifactId>empty</artifactId><version>1.0.0</version>\
    <goalPrefix>empty</goalPrefix><mojos><mojo><goal>nothing</goal><implementation>empty.Empty</implementation>\
    <language>java</language>\
    <instantiationStrategy>per-lookup</instantiationStrategy><executionStrategy>once-per-session</executionStrategy>\
    <requiresProject>false</requiresProject></mojo></mojos></plugin>\n";
