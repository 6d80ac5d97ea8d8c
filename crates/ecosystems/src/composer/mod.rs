//! PHP packages, installed by Composer.

mod client;
mod entries;
mod facts;
mod manifest;
mod plan;
mod resolve;
mod version;

use apa_archive::Archive;
use apa_gateway::Gateway;
use apa_model::{Anomaly, ArtifactKind, Ecosystem, PackageRef, Plan};

use crate::{
    Adapter, BoxFuture, EcosystemError, Empty, Identity, PlanInput, RegistryOverrides, Release,
    pack, release,
};
use manifest::Manifest;

pub(crate) struct Composer;

impl Adapter for Composer {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Composer
    }

    fn registry(&self, overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
        let address = match overrides.addresses.get(&Ecosystem::Composer) {
            Some(address) => address.clone(),
            None => client::repository(overrides.cache_dir.as_deref())?,
        };
        release::check_address(address)
    }

    fn resolve<'a>(
        &'a self,
        gateway: &'a Gateway,
        package: &'a PackageRef,
    ) -> BoxFuture<'a, Result<Release, EcosystemError>> {
        Box::pin(resolve::resolve(gateway, package))
    }

    fn identify(&self, _filename: &str, archive: &Archive) -> Option<Identity> {
        let manifest = Manifest::read(archive)?;
        Some(Identity {
            name: Some(manifest.name()?.to_owned()),
            version: manifest.version().map(str::to_owned),
            kind: ArtifactKind::ComposerPackage,
        })
    }

    fn plan(&self, input: &PlanInput<'_>) -> Plan {
        plan::plan(input)
    }

    fn roots(&self, archive: &Archive, identity: &Identity) -> Vec<String> {
        let mut roots: Vec<_> = identity.name.iter().cloned().collect();
        if let Some(manifest) = Manifest::read(archive) {
            roots.extend(manifest.dependencies());
        }
        roots
    }

    fn static_facts(&self, archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
        facts::facts(archive, identity)
    }

    fn empty_like(&self, _kind: ArtifactKind) -> Empty {
        Empty {
            filename: "empty-1.0.0.zip",
            bytes: empty(),
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["/usr/bin/php", "/usr/bin/composer"]
    }
}

const EMPTY: &str = r#"{
    "name": "empty/empty", "version": "1.0.0", "type": "composer-plugin",
    "require": {"composer-plugin-api": "^1.0 || ^2.0"},
    "autoload": {"psr-4": {"Empty\\": "src/"}, "files": ["start.php"]},
    "extra": {"class": "Empty\\Plugin"},
    "scripts": {"post-create-project-cmd": "true"},
    "bin": ["bin/empty"]
}
"#;

const EMPTY_PLUGIN: &str = r"<?php
namespace Empty;
use Composer\Composer;
use Composer\IO\IOInterface;
use Composer\Plugin\PluginInterface;
class Plugin implements PluginInterface
{
    public function activate(Composer $composer, IOInterface $io) {}
    public function deactivate(Composer $composer, IOInterface $io) {}
    public function uninstall(Composer $composer, IOInterface $io) {}
}
";

/// With everything that Composer loads or starts, so that the noise of it is known.
fn empty() -> Vec<u8> {
    pack::zip(&[
        ("composer.json", EMPTY),
        ("src/Plugin.php", EMPTY_PLUGIN),
        ("start.php", "<?php\n"),
        ("bin/empty", "#!/usr/bin/env php\n<?php\n"),
    ])
}
