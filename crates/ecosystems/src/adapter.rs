use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use apa_apk::Package;
use apa_archive::Archive;
use apa_gateway::Gateway;
use apa_model::{Anomaly, Artifact, ArtifactKind, Ecosystem, Incomplete, Limits, PackageRef, Plan};

use crate::{EcosystemError, Release, apk, cargo, composer, gem, maven, npm, pypi};

/// What an asynchronous method of a trait object gives.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the pipeline asks about an ecosystem.
pub trait Adapter: Send + Sync {
    /// Which one it is.
    fn ecosystem(&self) -> Ecosystem;

    /// The registry that the genuine client on this machine is set to use: its configuration, environment or
    /// built-in default, asked from the client itself. An override wins.
    ///
    /// # Errors
    /// When the client is missing or gives no usable address.
    fn registry(&self, overrides: &RegistryOverrides) -> Result<String, EcosystemError>;

    /// Whether a file cannot be analysed where no registry is set.
    fn needs_registry(&self) -> bool {
        true
    }

    /// Whether an installation changes the system, so that its folders must be writable.
    fn changes_system(&self) -> bool {
        false
    }

    /// The version that `package` asks for, with its files.
    ///
    /// # Errors
    /// When the package or version is unknown, has no usable file, or the registry does not answer.
    fn resolve<'a>(
        &'a self,
        gateway: &'a Gateway,
        package: &'a PackageRef,
    ) -> BoxFuture<'a, Result<Release, EcosystemError>>;

    /// What a file is, by its content; `None` when it is no package of this ecosystem.
    fn identify(&self, filename: &str, archive: &Archive) -> Option<Identity>;

    /// What must lie beside the artifact before anything runs, where no genuine client of the ecosystem fetches it
    /// while it is installed; and what is known only with the registry at hand. What cannot be had is told in the answer.
    ///
    /// # Errors
    /// When the artifact is not the one that the registry describes: it is not run then.
    fn provide<'a>(
        &'a self,
        _gateway: &'a Gateway,
        _input: ProvisionInput<'a>,
    ) -> BoxFuture<'a, Result<Provision, EcosystemError>> {
        Box::pin(async { Ok(Provision::default()) })
    }

    /// How to detonate an artifact.
    fn plan(&self, input: &PlanInput<'_>) -> Plan;

    /// Packages whose closure the gateway has to serve while this artifact is installed: what its manifest
    /// names, its build tools included.
    fn roots(&self, archive: &Archive, identity: &Identity) -> Vec<String>;

    /// What can be said for certain without running anything: install hooks, odd dependencies, a manifest that
    /// contradicts `identity`.
    fn static_facts(&self, archive: &Archive, identity: &Identity) -> Vec<Anomaly>;

    /// An archive of the same shape that does nothing, for the baseline.
    fn empty_like(&self, kind: ArtifactKind) -> Empty;

    /// Absolute paths of the programs that do the work; when one is exchanged, an old baseline is void.
    fn tools(&self) -> &'static [&'static str];

    /// Folders of the host that the tools need and that are not below its `/usr`, each with the place where the
    /// sandbox shows it. What the client says about them is remembered in `cache`.
    fn views(&self, _cache: Option<&Path>) -> Vec<(PathBuf, String)> {
        Vec::new()
    }
}

/// What [`Adapter::provide`] is asked about.
#[derive(Clone, Copy)]
pub struct ProvisionInput<'a> {
    /// What is in the artifact.
    pub archive: &'a Archive,
    /// What it is.
    pub identity: &'a Identity,
    /// It came from the registry, whose metadata counts.
    pub published: bool,
    /// The root file system it will be put into, on the host.
    pub root: &'a Path,
    /// Folder of further keys that signatures may be made with.
    pub keys: Option<&'a Path>,
}

/// What is put into the sandbox beside the artifact.
#[derive(Clone, Debug, Default)]
pub struct Provision {
    /// Files of its dependencies.
    pub dependencies: Vec<Provided>,
    /// The artifact's own metadata, where no registry has it.
    pub pom: Option<Arc<[u8]>>,
    /// Packages of a system that are put into the root, each after what it needs.
    pub packages: Vec<Companion>,
    /// What is odd about the artifact.
    pub anomalies: Vec<Anomaly>,
    /// What is missing.
    pub incomplete: Vec<Incomplete>,
}

/// A file of a dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    /// Name of the dependency.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Name of the file, plain.
    pub filename: String,
    /// Where it is on the host.
    pub path: PathBuf,
    /// What in it is loaded by itself, to know what the dependency does; empty for those too far away.
    pub entries: Vec<String>,
}

/// A package that does nothing.
#[derive(Clone, Debug)]
pub struct Empty {
    /// What such a file would be called.
    pub filename: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// All adapters, in the order of [`Ecosystem::ALL`].
pub fn adapters() -> &'static [&'static dyn Adapter] {
    &[
        &npm::Npm,
        &pypi::Pypi,
        &gem::Gem,
        &composer::Composer,
        &cargo::Cargo,
        &maven::Maven,
        &apk::Apk,
    ]
}

/// The adapter of an ecosystem.
///
/// # Errors
/// When this program cannot run its packages.
pub fn adapter(ecosystem: Ecosystem) -> Result<&'static dyn Adapter, EcosystemError> {
    adapters()
        .iter()
        .copied()
        .find(|adapter| adapter.ecosystem() == ecosystem)
        .ok_or(EcosystemError::Unsupported(ecosystem))
}

/// Registries set by the user, which win over what the clients say.
#[derive(Clone, Debug, Default)]
pub struct RegistryOverrides {
    /// Addresses as the client of the ecosystem would have them in its configuration.
    pub addresses: BTreeMap<Ecosystem, String>,
    /// Folder where the clients' answers are kept until their configuration changes.
    pub cache_dir: Option<PathBuf>,
}

/// What a file says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name as its manifest (or the registry) has it.
    pub name: Option<String>,
    /// Version likewise.
    pub version: Option<String>,
    /// Kind of file.
    pub kind: ArtifactKind,
}

/// A system's package that another one needs.
#[derive(Clone, Debug)]
pub struct Companion {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub package: Package,
}

/// What a plan is made from.
pub struct PlanInput<'a> {
    /// The artifact.
    pub artifact: &'a Artifact,
    /// Its bytes on the host.
    pub artifact_path: &'a Path,
    /// What is in it.
    pub archive: &'a Archive,
    /// What it is.
    pub identity: &'a Identity,
    /// What lies beside it.
    pub provision: &'a Provision,
    /// Where it will run.
    pub guest: GuestView,
    /// The gateway as seen from inside the sandbox, without a slash at the end.
    pub gateway_url: &'a str,
    /// Bounds of the run.
    pub limits: &'a Limits,
}

/// What a plan needs to know of the sandbox.
#[derive(Clone, Debug)]
pub struct GuestView {
    /// Home folder.
    pub home: String,
    /// Folder of the project the package is installed in.
    pub project_dir: String,
    /// Name of the sample's user.
    pub user: String,
    /// The root file system it is made from, on the host.
    pub root: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_wins_and_must_be_an_address() {
        let overrides = |address: &str| RegistryOverrides {
            addresses: Ecosystem::ALL.map(|it| (it, address.to_owned())).into(),
            cache_dir: None,
        };
        for adapter in adapters() {
            let given = adapter.registry(&overrides(" http://mirror.test/simple/ "));
            assert_eq!(given.unwrap(), "http://mirror.test/simple/");
            for bad in ["", "mirror.test", "file:///etc", "ftp://mirror.test"] {
                let error = adapter.registry(&overrides(bad)).unwrap_err();
                assert!(error.is_configuration(), "{error}");
            }
        }
    }

    #[test]
    fn the_genuine_clients_name_their_registries() {
        for adapter in adapters() {
            match adapter.registry(&RegistryOverrides::default()) {
                Ok(address) => assert!(address.starts_with("http"), "{address}"),
                Err(error) => eprintln!("SKIPPED: {error}"),
            }
        }
    }
}
