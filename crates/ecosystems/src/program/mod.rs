//! Files that belong to no ecosystem: a program by itself, run in every way that needs no knowledge of it, and a
//! Debian package, whose maintainer scripts and programs are run. No registry serves either.

mod deb;
mod interpreter;
mod plan;

use apa_archive::{Archive, Format};
use apa_gateway::Gateway;
use apa_model::{Anomaly, ArtifactKind, Ecosystem, PackageRef, Plan};

use crate::{
    Adapter, BoxFuture, EcosystemError, Empty, Identity, PlanInput, RegistryOverrides, Release,
    pack, text,
};

pub(crate) struct Program;

impl Adapter for Program {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Generic
    }

    fn registry(&self, _overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
        Err(EcosystemError::Unsupported(Ecosystem::Generic))
    }

    fn resolve<'a>(
        &'a self,
        _gateway: &'a Gateway,
        _package: &'a PackageRef,
    ) -> BoxFuture<'a, Result<Release, EcosystemError>> {
        Box::pin(async { Err(EcosystemError::Unsupported(Ecosystem::Generic)) })
    }

    fn identify(&self, filename: &str, archive: &Archive) -> Option<Identity> {
        match archive.format {
            Format::Program => Some(Identity {
                name: Some(text::to_plain(filename)).filter(|name| !name.is_empty()),
                version: None,
                kind: ArtifactKind::Program,
            }),
            Format::Deb => {
                let control = deb::Control::read(archive);
                Some(Identity {
                    name: control.field("Package"),
                    version: control.field("Version"),
                    kind: ArtifactKind::Deb,
                })
            }
            _ => None,
        }
    }

    fn plan(&self, input: &PlanInput<'_>) -> Plan {
        match input.identity.kind {
            ArtifactKind::Deb => deb::plan(input),
            _ => plan::plan(input),
        }
    }

    fn roots(&self, _archive: &Archive, _identity: &Identity) -> Vec<String> {
        Vec::new()
    }

    fn static_facts(&self, archive: &Archive, identity: &Identity) -> Vec<Anomaly> {
        let unrunnable = match identity.kind {
            ArtifactKind::Program => interpreter::unrunnable(archive),
            _ => None,
        };
        unrunnable.into_iter().collect()
    }

    fn empty_like(&self, kind: ArtifactKind) -> Empty {
        match kind {
            ArtifactKind::Deb => Empty {
                filename: "empty_1.0_all.deb",
                bytes: pack::deb(
                    "Package: empty\nVersion: 1.0\nArchitecture: all\n",
                    &[("postinst", "#!/bin/sh\nexit 0\n")],
                    &[("usr/bin/empty", "#!/bin/sh\nexit 0\n")],
                ),
            },
            _ => Empty {
                filename: "empty",
                bytes: b"#!/bin/sh\nexit 0\n".to_vec(),
            },
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["/bin/sh", "/usr/bin/timeout"]
    }
}
