//! Rust crates, built by cargo into a small program.

mod facts;
mod macros;
mod manifest;
mod plan;
mod resolve;
mod toolchain;

use std::path::{Path, PathBuf};

use apa_archive::Archive;
use apa_gateway::Gateway;
use apa_model::{Anomaly, ArtifactKind, Ecosystem, PackageRef, Plan};

use crate::{
    Adapter, BoxFuture, EcosystemError, Empty, Identity, PlanInput, RegistryOverrides, Release,
    pack, release,
};
use manifest::Manifest;
use toolchain::Toolchain;

pub(crate) struct Cargo;

impl Adapter for Cargo {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Cargo
    }

    fn registry(&self, overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
        let address = match overrides.addresses.get(&Ecosystem::Cargo) {
            Some(address) => address.clone(),
            None => toolchain::registry(overrides.cache_dir.as_deref())?,
        };
        // As cargo's configuration has it.
        let address = address.trim();
        release::check_address(
            address
                .strip_prefix("sparse+")
                .unwrap_or(address)
                .to_owned(),
        )
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
        // Python source distributions with a part in Rust have a Cargo.toml too.
        let named = filename.ends_with(".crate");
        if !named && (manifest.has("PKG-INFO") || manifest.text("name").is_none()) {
            return None;
        }
        Some(Identity {
            name: manifest.text("name").map(str::to_owned),
            version: manifest.text("version").map(str::to_owned),
            kind: ArtifactKind::Crate,
        })
    }

    fn plan(&self, input: &PlanInput<'_>) -> Plan {
        plan::plan(input)
    }

    fn roots(&self, archive: &Archive, identity: &Identity) -> Vec<String> {
        let mut roots: Vec<_> = identity
            .name
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        if let Some(manifest) = Manifest::read(archive) {
            let dependencies = manifest.dependencies();
            roots.extend(
                dependencies
                    .iter()
                    .filter_map(|found| found.registry_name()),
            );
        }
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
                "empty-1.0.0/Cargo.toml",
                "[package]\nname = \"empty\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
            ),
            ("empty-1.0.0/build.rs", "fn main() {}\n"),
            ("empty-1.0.0/src/lib.rs", ""),
        ]);
        Empty {
            filename: "empty-1.0.0.crate",
            bytes,
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &[
            "/usr/bin/cargo",
            "/usr/bin/rustc",
            "/usr/bin/cc",
            "/usr/bin/ld",
        ]
    }

    fn views(&self, cache: Option<&Path>) -> Vec<(PathBuf, String)> {
        // Without a compiler there is nothing to show; the install step will say what is wrong.
        let toolchain = Toolchain::ask(cache).ok();
        toolchain
            .and_then(|found| found.view())
            .into_iter()
            .collect()
    }
}
