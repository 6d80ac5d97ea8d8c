//! Python distributions, installed by pip for the sample's user.

mod distribution;
mod entries;
mod facts;
mod filename;
mod interpreter;
mod plan;
mod resolve;

use apa_archive::Archive;
use apa_gateway::Gateway;
use apa_model::{Anomaly, ArtifactKind, Ecosystem, PackageRef, Plan};

use crate::{
    Adapter, BoxFuture, EcosystemError, Empty, Identity, PlanInput, RegistryOverrides, Release,
    pack, release,
};
use distribution::Distribution;
use interpreter::Interpreter;
pub(crate) use plan::installed;

pub(crate) struct Pypi;

impl Adapter for Pypi {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Pypi
    }

    fn registry(&self, overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
        let address = match overrides.addresses.get(&Ecosystem::Pypi) {
            Some(address) => address.clone(),
            None => Interpreter::ask(overrides.cache_dir.as_deref())?.index_url,
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

    fn identify(&self, filename: &str, archive: &Archive) -> Option<Identity> {
        let distribution = Distribution::read(archive)?;
        let from_name = filename::parse(filename);
        let from_name = |part: fn(filename::Parts) -> String| from_name.clone().map(part);
        Some(Identity {
            name: distribution
                .header("Name")
                .map(str::to_owned)
                .or_else(|| from_name(|parts| parts.name)),
            version: distribution
                .header("Version")
                .map(str::to_owned)
                .or_else(|| from_name(|parts| parts.version)),
            kind: distribution.kind,
        })
    }

    fn plan(&self, input: &PlanInput<'_>) -> Plan {
        plan::plan(input)
    }

    fn roots(&self, archive: &Archive, identity: &Identity) -> Vec<String> {
        let mut roots: Vec<_> = identity.name.iter().cloned().collect();
        if let Some(distribution) = Distribution::read(archive) {
            roots.extend(distribution.requires());
            roots.extend(distribution.build_requires());
        }
        roots = roots.iter().map(|name| filename::normalise(name)).collect();
        roots.sort();
        roots.dedup();
        roots
    }

    fn static_facts(&self, archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
        facts::facts(archive, identity)
    }

    fn empty_like(&self, kind: ArtifactKind) -> Empty {
        match kind {
            ArtifactKind::Wheel => Empty {
                filename: "empty-1.0.0-py3-none-any.whl",
                bytes: empty_wheel(),
            },
            _ => Empty {
                filename: "empty-1.0.0.tar.gz",
                bytes: empty_sdist(),
            },
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["/usr/bin/python3", "/usr/bin/pip3"]
    }
}

const EMPTY_METADATA: &str = "Metadata-Version: 2.1\nName: empty\nVersion: 1.0.0\n";

fn empty_wheel() -> Vec<u8> {
    pack::zip(&[
        ("empty/__init__.py", ""),
        ("empty-1.0.0.dist-info/METADATA", EMPTY_METADATA),
        (
            "empty-1.0.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: manual\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        (
            "empty-1.0.0.dist-info/RECORD",
            "empty/__init__.py,,\nempty-1.0.0.dist-info/METADATA,,\nempty-1.0.0.dist-info/WHEEL,,\n\
             empty-1.0.0.dist-info/RECORD,,\n",
        ),
    ])
}

fn empty_sdist() -> Vec<u8> {
    pack::tar_gz(&[
        ("empty-1.0.0/PKG-INFO", EMPTY_METADATA),
        (
            "empty-1.0.0/setup.py",
            "from setuptools import setup\nsetup(name='empty', version='1.0.0', packages=['empty'])\n",
        ),
        ("empty-1.0.0/empty/__init__.py", ""),
    ])
}
