use std::sync::Arc;
use std::time::Duration;

use apa_gateway::fixture::{FixturePackage, FixtureServer};
use apa_gateway::{Gateway, GatewayConfig, Upstream};
use apa_testkit::{ComposerPackage, Gem, Jar};
use serde_json::json;
use tempfile::TempDir;

/// A registry with a few packages, and a cache folder of its own.
pub(crate) struct Setup {
    pub(crate) registry: FixtureServer,
    pub(crate) upstream: Upstream,
    pub(crate) cache: TempDir,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        let registry = FixtureServer::start(packages()).await;
        Self {
            upstream: registry.upstream(),
            registry,
            cache: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn gateway(&self, offline: bool) -> Arc<Gateway> {
        Gateway::open(GatewayConfig {
            cache_dir: self.cache.path().to_owned(),
            upstream: self.upstream.clone(),
            offline,
            as_of: None,
            timeout: Duration::from_millis(1500),
        })
        .unwrap()
    }
}

/// A build back end that needs nothing but Python.
const BACKEND: &str = r#"
import zipfile

def build_wheel(folder, settings=None, metadata=None):
    name = "self_built-1.0-py3-none-any.whl"
    info = "self_built-1.0.dist-info/"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("self_built.py", "")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: self-built\nVersion: 1.0\nRequires-Dist: dep-py\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "self_built.py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n")
    return name
"#;

const BACKEND_PROJECT: &str =
    "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";

fn gem(gem: &Gem) -> FixturePackage {
    FixturePackage::gem(&gem.filename(), gem.build())
}

/// A plugin that does everything, and what Maven gives to each.
fn plugin() -> Vec<FixturePackage> {
    let utils = Jar::new("org.codehaus.plexus:plexus-utils", "1.1").build();
    let everything = apa_testkit::specimen("maven-everything").map(|specimen| specimen.bytes);
    let jars = everything.into_iter().chain([utils]);
    jars.map(FixturePackage::jar).collect()
}

fn composer(package: &ComposerPackage) -> FixturePackage {
    FixturePackage::composer(&package.filename(), package.build())
}

fn packages() -> Vec<FixturePackage> {
    let main = "module.exports = 1;\n";
    let mut packages = plugin();
    packages.extend([
        FixturePackage::npm(
            &json!({"name": "root", "version": "1.0.0", "dependencies": {"@scope/dep": "^1.0.0"},
                    "optionalDependencies": {"aliased": "npm:leaf@1"}}),
            &[("index.js", main)],
        ),
        FixturePackage::npm(
            &json!({"name": "@scope/dep", "version": "1.0.0", "dependencies": {"leaf": "*"}}),
            &[("index.js", main)],
        ),
        FixturePackage::npm(
            &json!({"name": "leaf", "version": "1.0.0"}),
            &[("index.js", main)],
        ),
        FixturePackage::npm(
            &json!({"name": "leaf", "version": "1.1.0-next.1"}),
            &[("index.js", main)],
        )
        .tag("next"),
        FixturePackage::npm(&json!({"name": "stranger", "version": "1.0.0"}), &[]),
        FixturePackage::wheel(
            "root-py",
            "1.0",
            &["Requires-Dist: dep_py>=1", "Requires-Python: >=3.8"],
            &[("root_py/__init__.py", "import dep_py\n")],
        ),
        FixturePackage::wheel("dep-py", "1.0", &[], &[("dep_py/__init__.py", "")]),
        FixturePackage::sdist(
            "built",
            "1.0",
            &["Requires-Dist: dep-py"],
            &[(
                "pyproject.toml",
                "[build-system]\nrequires = [\"builder\"]\n",
            )],
        ),
        FixturePackage::sdist(
            "self-built",
            "1.0",
            &["Requires-Dist: dep-py"],
            &[("pyproject.toml", BACKEND_PROJECT), ("backend.py", BACKEND)],
        ),
        FixturePackage::wheel("stranger", "1.0", &[], &[]),
        composer(
            &ComposerPackage::new("acme/root", "1.0.0")
                .field("require", json!({"php": ">=7", "acme/dep": "^1.0"}))
                .file("root.php", "<?php\n"),
        ),
        composer(&ComposerPackage::new("acme/dep", "1.2.0").file("dep.php", "<?php\n")),
        composer(&ComposerPackage::new("acme/checked", "1.0.0").field(
            "dist",
            json!({"shasum": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}),
        )),
        composer(&ComposerPackage::new("acme/dep", "2.0.0").file("dep.php", "<?php\n")),
        gem(&Gem::new("root-gem", "1.0")
            .depends("dep_gem", "~> 1.0")
            .file("lib/root.rb", "require 'dep_gem'\n")),
        gem(&Gem::new("dep_gem", "1.2.0").file("lib/dep_gem.rb", "")),
        gem(&Gem::new("dep_gem", "2.0.0").file("lib/dep_gem.rb", "")),
    ]);
    packages
}
