//! Alpine and Wolfi packages. There is no client to run them with: the index is read, packages are chosen, checked and
//! put into the root by this program, and each script is run by itself.

mod carried;
mod companions;
mod facts;
mod layout;
mod plan;
mod programs;
mod registry;
mod resolve;
mod scripts;
mod system;

pub use system::{System, system};

use apa_apk::Package;
use apa_archive::Archive;
use apa_gateway::Gateway;
use apa_model::{Anomaly, ArtifactKind, Ecosystem, PackageRef, Plan};

use crate::{
    Adapter, BoxFuture, EcosystemError, Empty, Identity, PlanInput, Provision, ProvisionInput,
    RegistryOverrides, Release, pack,
};

pub(crate) struct Apk;

impl Adapter for Apk {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Apk
    }

    fn registry(&self, overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
        registry::registry(overrides)
    }

    fn needs_registry(&self) -> bool {
        false
    }

    fn changes_system(&self) -> bool {
        true
    }

    fn resolve<'a>(
        &'a self,
        gateway: &'a Gateway,
        package: &'a PackageRef,
    ) -> BoxFuture<'a, Result<Release, EcosystemError>> {
        Box::pin(resolve::resolve(gateway, package))
    }

    fn provide<'a>(
        &'a self,
        gateway: &'a Gateway,
        input: ProvisionInput<'a>,
    ) -> BoxFuture<'a, Result<Provision, EcosystemError>> {
        Box::pin(companions::provide(gateway, input))
    }

    fn identify(&self, _filename: &str, archive: &Archive) -> Option<Identity> {
        let info = Package::read(archive)?.info;
        Some(Identity {
            name: Some(info.name),
            version: Some(info.version).filter(|version| !version.is_empty()),
            kind: ArtifactKind::Apk,
        })
    }

    fn plan(&self, input: &PlanInput<'_>) -> Plan {
        plan::plan(input)
    }

    /// Nothing in the sandbox asks a repository: what is needed is put there.
    fn roots(&self, _archive: &Archive, identity: &Identity) -> Vec<String> {
        identity.name.iter().cloned().collect()
    }

    fn static_facts(&self, archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
        facts::facts(archive, identity)
    }

    fn empty_like(&self, _kind: ArtifactKind) -> Empty {
        let script = "#!/bin/sh\nexit 0\n";
        Empty {
            filename: "empty-1.0-r0.apk",
            bytes: pack::apk("empty", "1.0-r0", &[(".post-install", script)]),
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["/bin/sh"]
    }
}

/// What an architecture is called in repositories.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "arm" => "armv7",
        "powerpc64" => "ppc64le",
        other => other,
    }
}
