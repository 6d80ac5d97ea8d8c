//! npm packages, installed by npm and run by Node.js.

mod entries;
mod facts;
mod manifest;
mod plan;
mod registry;
mod resolve;

use apa_archive::Archive;
use apa_gateway::Gateway;
use apa_model::{Anomaly, ArtifactKind, Ecosystem, PackageRef, Plan};

use crate::{
    Adapter, BoxFuture, EcosystemError, Empty, Identity, PlanInput, RegistryOverrides, Release,
    pack,
};
use manifest::Manifest;
pub(crate) use plan::installed;

pub(crate) struct Npm;

impl Adapter for Npm {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Npm
    }

    fn registry(&self, overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
        registry::registry(overrides)
    }

    fn resolve<'a>(
        &'a self,
        gateway: &'a Gateway,
        package: &'a PackageRef,
    ) -> BoxFuture<'a, Result<Release, EcosystemError>> {
        Box::pin(resolve::resolve(gateway, package))
    }

    fn identify(&self, filename: &str, archive: &Archive) -> Option<Identity> {
        let manifest = Manifest::read(archive)?;
        // Python source distributions with a part in JavaScript have a package.json too.
        let named = filename.ends_with(".tgz") || archive.strip_top().as_deref() == Some("package");
        if manifest.files.contains("PKG-INFO") && !named {
            return None;
        }
        Some(Identity {
            name: manifest.text("name").map(str::to_owned),
            version: manifest.text("version").map(str::to_owned),
            kind: ArtifactKind::NpmTarball,
        })
    }

    fn plan(&self, input: &PlanInput<'_>) -> Plan {
        plan::plan(input)
    }

    fn roots(&self, archive: &Archive, identity: &Identity) -> Vec<String> {
        let manifest = Manifest::read(archive).unwrap_or_default();
        let mut roots: Vec<_> = identity.name.iter().cloned().collect();
        roots.extend(
            manifest
                .dependencies()
                .into_iter()
                .filter_map(|dependency| dependency.registry_name().map(str::to_owned)),
        );
        roots.sort();
        roots.dedup();
        roots
    }

    fn static_facts(&self, archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
        facts::facts(archive, identity)
    }

    fn empty_like(&self, _kind: ArtifactKind) -> Empty {
        let bytes = pack::tar_gz(&[
            (
                "package/package.json",
                r#"{"name":"empty","version":"1.0.0","main":"index.js"}"#,
            ),
            ("package/index.js", "module.exports = {};\n"),
        ]);
        Empty {
            filename: "empty-1.0.0.tgz",
            bytes,
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["/usr/bin/node", "/usr/bin/npm"]
    }
}
