//! Ruby gems, installed by gem into the folder of the sample's user.

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
use client::Client;
use manifest::Manifest;

pub(crate) struct Gem;

impl Adapter for Gem {
    fn ecosystem(&self) -> Ecosystem {
        Ecosystem::Gem
    }

    fn registry(&self, overrides: &RegistryOverrides) -> Result<String, EcosystemError> {
        let address = match overrides.addresses.get(&Ecosystem::Gem) {
            Some(address) => address.clone(),
            None => Client::ask(overrides.cache_dir.as_deref())?.source,
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
            name: manifest.name().map(str::to_owned),
            version: manifest.version().map(str::to_owned),
            kind: ArtifactKind::Gem,
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
            filename: "empty-1.0.0.gem",
            bytes: empty(),
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["/usr/bin/ruby", "/usr/bin/gem"]
    }
}

const EMPTY: &str = "--- !ruby/object:Gem::Specification
name: empty
version: !ruby/object:Gem::Version
  version: 1.0.0
platform: ruby
authors:
- A
bindir: bin
date: 2024-01-01 00:00:00.000000000 Z
dependencies: []
executables:
- empty
extensions:
- ext/empty/extconf.rb
files:
- bin/empty
- ext/empty/extconf.rb
- lib/empty.rb
- lib/rubygems_plugin.rb
licenses:
- MIT
require_paths:
- lib
required_ruby_version: !ruby/object:Gem::Requirement
  requirements:
  - - \">=\"
    - !ruby/object:Gem::Version
      version: '0'
required_rubygems_version: !ruby/object:Gem::Requirement
  requirements:
  - - \">=\"
    - !ruby/object:Gem::Version
      version: '0'
rubygems_version: 3.3.15
specification_version: 4
summary: Empty.
";

/// With everything that makes RubyGems start something, so that the noise of it is known.
fn empty() -> Vec<u8> {
    let data = pack::tar_gz(&[
        ("bin/empty", "#!/usr/bin/env ruby\n"),
        (
            "ext/empty/extconf.rb",
            "require 'mkmf'\nhave_header('stdio.h')\nhave_library('m')\ncreate_makefile('empty/empty')\n",
        ),
        ("ext/empty/empty.c", "void Init_empty(void) {}\n"),
        ("lib/empty.rb", "module Empty\nend\n"),
        ("lib/rubygems_plugin.rb", ""),
    ]);
    pack::tar(&[
        ("metadata.gz", &pack::gzip(EMPTY.as_bytes())),
        ("data.tar.gz", &data),
    ])
}
