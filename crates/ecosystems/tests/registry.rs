//! Resolving against a registry, and the plans' commands with the genuine clients installing from it. Only
//! benign specimens of ours are run, into temporary folders.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use apa_ecosystems::{EcosystemError, GuestView, PlanInput, Provision, adapter};
use apa_gateway::fixture::{FixturePackage, FixtureServer};
use apa_gateway::{Gateway, GatewayConfig, ServePolicy};
use apa_model::{
    Artifact, Ecosystem, FileContent, Limits, PackageRef, Phase, Plan, Step, StepKind,
};
use apa_testkit::{NpmPackage, Sdist, Specimen, Wheel, specimen};

fn open(server: &FixtureServer, cache: &Path) -> Arc<Gateway> {
    Gateway::open(GatewayConfig {
        cache_dir: cache.to_owned(),
        upstream: server.upstream(),
        offline: false,
        as_of: None,
        timeout: Duration::from_secs(10),
    })
    .unwrap()
}

/// Whether a program is there; otherwise says loudly that the test is skipped.
fn available(program: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    there
}

fn package(text: &str) -> PackageRef {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_version_is_resolved_and_its_files_can_be_had() {
    let manifest = |version: &str| serde_json::json!({"name": "@s/demo", "version": version});
    let server = FixtureServer::start([
        FixturePackage::npm(&manifest("1.0.0"), &[("index.js", "0")])
            .published("2024-01-01T00:00:00Z"),
        FixturePackage::npm(&manifest("1.1.0"), &[("index.js", "1")])
            .published("2024-02-01T00:00:00Z"),
        FixturePackage::npm(&manifest("2.0.0"), &[("index.js", "2")])
            .published("2024-01-15T00:00:00Z")
            .tag("next"),
        FixturePackage::wheel("Demo.Lib", "1.0", &[], &[("demo/__init__.py", "")]),
        FixturePackage::sdist("Demo.Lib", "1.0", &[], &[("demo/__init__.py", "")]),
    ])
    .await;
    let cache = tempfile::tempdir().unwrap();
    let gateway = open(&server, cache.path());

    let npm = adapter(Ecosystem::Npm).unwrap();
    let release = npm
        .resolve(&gateway, &package("npm:@s/demo@next"))
        .await
        .unwrap();
    assert_eq!(release.package.purl(), "pkg:npm/%40s/demo@2.0.0");
    assert_eq!(release.previous_version.as_deref(), Some("1.0.0"));
    let file = &release.files[release.chosen];
    let path = gateway.artifact(&file.url, &file.integrity).await.unwrap();
    let archive = apa_archive::read(&path, &apa_archive::Limits::default()).unwrap();
    let identity = npm.identify(&file.filename, &archive).unwrap();
    assert_eq!(
        (identity.name.as_deref(), identity.version.as_deref()),
        (Some("@s/demo"), Some("2.0.0"))
    );

    let Ok(release) = adapter(Ecosystem::Pypi)
        .unwrap()
        .resolve(&gateway, &package("pypi:demo-lib"))
        .await
    else {
        assert!(
            !available("/usr/bin/python3"),
            "resolving failed although pip is there"
        );
        return;
    };
    assert_eq!(release.to_analyse().len(), 2);
    assert!(release.files[release.chosen].filename.ends_with(".whl"));
    for file in &release.files {
        gateway.artifact(&file.url, &file.integrity).await.unwrap();
    }
}

#[tokio::test]
async fn unknown_names_and_versions_are_told_apart() {
    let manifest = serde_json::json!({"name": "demo", "version": "1.0.0"});
    let server = FixtureServer::start([FixturePackage::npm(&manifest, &[])]).await;
    let cache = tempfile::tempdir().unwrap();
    let gateway = open(&server, cache.path());
    let npm = adapter(Ecosystem::Npm).unwrap();
    let error = npm
        .resolve(&gateway, &package("npm:dmeo"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EcosystemError::UnknownPackage { .. }),
        "{error}"
    );
    let error = npm
        .resolve(&gateway, &package("npm:demo@2.0.0"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("the newest is 1.0.0"), "{error}");
    let error = adapter(Ecosystem::Pypi)
        .unwrap()
        .resolve(&gateway, &package("pypi:demo"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EcosystemError::UnknownPackage { .. }),
        "{error}"
    );
}

/// A plan carried out in temporary folders, without a sandbox.
struct Detonation {
    folder: tempfile::TempDir,
    plan: Plan,
}

impl Detonation {
    fn prepare(specimen: &Specimen, gateway_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("artifact");
        std::fs::write(&file, &specimen.bytes).unwrap();
        let archive = apa_archive::read(&file, &apa_archive::Limits::default()).unwrap();
        let adapter = adapter(specimen.ecosystem).unwrap();
        let identity = adapter.identify(&specimen.filename, &archive).unwrap();
        let home = folder.path().join("home").to_str().unwrap().to_owned();
        let plan = adapter.plan(&PlanInput {
            provision: &Provision::default(),
            artifact: &Artifact {
                sha256: String::new(),
                size: specimen.bytes.len() as u64,
                filename: specimen.filename.as_str().into(),
                kind: identity.kind,
            },
            artifact_path: &file,
            archive: &archive,
            identity: &identity,
            guest: GuestView {
                project_dir: format!("{home}/work"),
                home,
                user: "dev".into(),
                root: "/".into(),
            },
            gateway_url,
            limits: &Limits::default(),
        });
        for file in &plan.files {
            std::fs::create_dir_all(Path::new(&file.path).parent().unwrap()).unwrap();
            match &file.content {
                FileContent::Bytes(bytes) => std::fs::write(&file.path, bytes).unwrap(),
                FileContent::Host(path) => drop(std::fs::copy(path, &file.path).unwrap()),
                other => panic!("no client of these ecosystems needs {other:?}"),
            }
        }
        std::fs::create_dir_all(&plan.project_dir).unwrap();
        Self { folder, plan }
    }

    /// Runs a step; gives its report, what it printed, and whether it succeeded.
    fn run(&self, step: &Step) -> (String, String, bool) {
        let list = self.folder.path().join("list");
        if let StepKind::Entries(names) = &step.kind {
            let entries: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(index, name)| serde_json::json!({"index": index, "name": name}))
                .collect();
            std::fs::write(&list, serde_json::json!({"entries": entries}).to_string()).unwrap();
        }
        let report = self.folder.path().join("report");
        let output = Command::new("/bin/sh")
            .args(["-c", "exec \"$@\" 3>\"$0\""])
            .arg(&report)
            .args(
                step.argv
                    .iter()
                    .map(|word| word.replace("{entries}", list.to_str().unwrap())),
            )
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path().join("home"))
            .envs(step.env.iter().cloned())
            .current_dir(&step.cwd)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let report = std::fs::read_to_string(&report).unwrap();
        (report, text, output.status.success())
    }
}

/// A step's phase, report, output, and whether it succeeded.
type Outcome = (Phase, String, String, bool);

async fn detonate(specimen: Specimen) -> Option<Vec<Outcome>> {
    let name = specimen.name;
    let adapter = adapter(specimen.ecosystem).unwrap();
    if !adapter.tools().iter().all(|tool| available(tool)) {
        return None;
    }
    let served = specimen
        .served
        .iter()
        .map(|(name, bytes)| FixturePackage::of(specimen.ecosystem, name, bytes.clone()));
    let server = FixtureServer::start(served).await;
    let cache = tempfile::tempdir().unwrap();
    let gateway = open(&server, cache.path());
    let archive =
        apa_archive::read_bytes(&specimen.bytes, name, &apa_archive::Limits::default()).unwrap();
    let identity = adapter.identify(&specimen.filename, &archive).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let policy = ServePolicy::new(specimen.ecosystem, adapter.roots(&archive, &identity));
    let serving = gateway.serve(listener, policy).unwrap();
    let detonation = Detonation::prepare(&specimen, &serving.base_url());
    let results = tokio::task::spawn_blocking(move || {
        let steps = detonation.plan.steps.iter();
        steps
            .map(|step| {
                let (report, output, success) = detonation.run(step);
                (step.phase, report, output, success)
            })
            .collect::<Vec<_>>()
    });
    let results = results.await.unwrap();
    serving.finish().await;
    Some(results)
}

fn all_done(results: &[Outcome]) {
    for (phase, report, output, success) in results {
        let is_list = matches!(phase, Phase::Import | Phase::Execute);
        assert!(
            *success && !report.contains("fail"),
            "{phase}: {report}{output}"
        );
        assert_eq!(
            report.ends_with("end\n"),
            is_list,
            "{phase}: {report}{output}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn npm_installs_imports_calls_and_runs_a_package_and_its_hooks_run() {
    let Some(results) = detonate(specimen("npm-prints").unwrap()).await else {
        return;
    };
    assert!(
        results[0].2.contains("thank you for installing"),
        "{}",
        results[0].2
    );
    let phases: Vec<_> = results.iter().map(|(phase, ..)| *phase).collect();
    assert_eq!(
        phases,
        [
            Phase::Install,
            Phase::Install,
            Phase::Import,
            Phase::Execute,
            Phase::Execute
        ]
    );
    assert!(results[4].2.contains("hello you"), "{}", results[4].2);
    all_done(&results);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn npm_takes_dependencies_from_the_gateway() {
    let Some(results) = detonate(specimen("npm-native-dependency").unwrap()).await else {
        return;
    };
    all_done(&results);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_esm_package_is_imported_and_called() {
    let Some(results) = detonate(specimen("npm-esm-only").unwrap()).await else {
        return;
    };
    all_done(&results);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_installs_imports_calls_and_runs_a_wheel() {
    let Some(results) = detonate(specimen("pypi-wheel-only").unwrap()).await else {
        return;
    };
    let phases: Vec<_> = results.iter().map(|(phase, ..)| *phase).collect();
    assert_eq!(
        phases,
        [
            Phase::Install,
            Phase::Install,
            Phase::InterpreterStart,
            Phase::InterpreterStart,
            Phase::Import,
            Phase::Execute,
            Phase::Execute
        ]
    );
    assert_eq!(
        results[6].2.matches("usage: plainserve").count(),
        4,
        "{}",
        results[6].2
    );
    all_done(&results);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_builds_and_installs_a_source_distribution() {
    let Some(results) = detonate(specimen("pypi-sdist-only").unwrap()).await else {
        return;
    };
    all_done(&results);
}

fn of(ecosystem: Ecosystem, filename: String, bytes: Vec<u8>) -> Specimen {
    Specimen {
        ecosystem,
        filename,
        bytes,
        served: Vec::new(),
        ..specimen("npm-prints").unwrap()
    }
}

/// The installation failed, everything else went well.
fn only_the_installation_failed(results: &[Outcome]) {
    assert!(!results[0].3, "{}", results[0].2);
    all_done(&results[1..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_whose_hook_fails_is_imported_all_the_same() {
    let package = NpmPackage::new("@s/failing", "1.0.0")
        .script("postinstall", "exit 1")
        .file("index.js", "exports.one = () => 1;\n");
    let specimen = of(Ecosystem::Npm, package.filename(), package.build());
    let Some(results) = detonate(specimen).await else {
        return;
    };
    only_the_installation_failed(&results);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_distribution_that_cannot_be_built_is_imported_all_the_same() {
    let package = Sdist::new("failing", "1.0", "raise SystemExit(1)\n")
        .file("src/failing/__init__.py", "ONE = 1\n");
    let specimen = of(Ecosystem::Pypi, package.filename(), package.build());
    let Some(results) = detonate(specimen).await else {
        return;
    };
    only_the_installation_failed(&results);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wheel_whose_requirement_is_nowhere_is_imported_all_the_same() {
    let package = Wheel::new("failing", "1.0")
        .requires("nowhere-to-be-found")
        .file("failing.py", "ONE = 1\n");
    let specimen = of(Ecosystem::Pypi, package.filename(), package.build());
    let Some(results) = detonate(specimen).await else {
        return;
    };
    only_the_installation_failed(&results);
}
