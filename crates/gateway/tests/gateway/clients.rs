//! Genuine npm and pip install through the gateway, then again with the registry gone.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use apa_gateway::{ServePolicy, ServedRequest};
use apa_model::Ecosystem;

use crate::support::Setup;

pub(crate) fn available(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|out| out.status.success());
    if !found {
        println!("SKIPPED: {program} is not installed");
    }
    found
}

fn run(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// npm with nothing of this machine's configuration or cache.
fn npm(home: &Path, registry: &str, arguments: &[&str]) -> Command {
    let project = home.join("project");
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(project.join("package.json"), "{}").unwrap();
    let mut command = Command::new("npm");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("npm_config_registry", format!("{registry}/npm/"))
        .env("npm_config_cache", home.join("cache"))
        .env("npm_config_update_notifier", "false")
        .current_dir(project)
        .args(arguments);
    command
}

fn pip(home: &Path, index: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("PIP_CONFIG_FILE", "/dev/null")
        .args([
            "-m",
            "pip",
            "install",
            "--no-cache-dir",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args(["--index-url", &format!("{index}/pypi/simple/"), "--target"])
        .arg(home.join("target"))
        .args(arguments);
    command
}

/// Serves with and without the registry; runs the client made by `client` each time.
async fn install_twice(
    ecosystem: Ecosystem,
    root: &str,
    client: impl Fn(&Path, &str) -> Command + Send + Sync + 'static,
    installed: &[&str],
) -> Vec<ServedRequest> {
    let setup = Setup::new().await;
    let mut all = Vec::new();
    let client = std::sync::Arc::new(client);
    for offline in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut policy = ServePolicy::new(ecosystem, vec![root.to_owned()]);
        policy.name_budget = 0;
        let serving = setup.gateway(offline).serve(listener, policy).unwrap();
        let before = setup.registry.requests().len();
        let home = tempfile::tempdir().unwrap();
        let (client, base, path) = (client.clone(), serving.base_url(), home.path().to_owned());
        tokio::task::spawn_blocking(move || run(client(&path, &base)))
            .await
            .unwrap();
        for file in installed {
            assert!(home.path().join(file).exists(), "{file} is missing");
        }
        let asked = setup.registry.requests().len() - before;
        assert_eq!(asked == 0, offline, "{asked} requests reached the registry");
        all.extend(serving.finish().await);
    }
    let bad: Vec<_> = all
        .iter()
        .filter(|r| r.refused.is_some() || r.failed.is_some() || r.outside || r.status >= 400)
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_installs_a_closure_with_a_scope_and_an_alias() {
    if !available("npm") {
        return;
    }
    install_twice(
        Ecosystem::Npm,
        "root",
        |home, base| {
            npm(
                home,
                base,
                &["install", "root@1.0.0", "--no-audit", "--no-fund"],
            )
        },
        &[
            "project/node_modules/root/index.js",
            "project/node_modules/@scope/dep/index.js",
            "project/node_modules/leaf/index.js",
            "project/node_modules/aliased/package.json",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_install_with_audit_is_content() {
    if !available("npm") {
        return;
    }
    let requests = install_twice(
        Ecosystem::Npm,
        "leaf",
        |home, base| npm(home, base, &["install", "leaf@next", "--audit"]),
        &["project/node_modules/leaf/package.json"],
    )
    .await;
    assert!(requests.iter().any(|request| request.method == "POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pip_installs_a_wheel_and_its_dependency_by_metadata_files() {
    if !available("pip") {
        return;
    }
    let requests = install_twice(
        Ecosystem::Pypi,
        "root-py",
        |home, base| pip(home, base, &["Root_Py==1.0"]),
        &["target/root_py/__init__.py", "target/dep_py/__init__.py"],
    )
    .await;
    assert!(
        requests
            .iter()
            .any(|request| request.path.to_string().ends_with(".whl.metadata"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pip_builds_and_installs_a_source_distribution() {
    if !available("pip") {
        return;
    }
    install_twice(
        Ecosystem::Pypi,
        "self-built",
        |home, base| pip(home, base, &["self-built"]),
        &["target/self_built.py", "target/dep_py/__init__.py"],
    )
    .await;
}

/// gem with nothing of this machine's configuration or cache.
pub(crate) fn gem(home: &Path, registry: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("gem");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("GEM_HOME", home.join("gems"))
        .args(["install", "--no-document", "--clear-sources"])
        .args(["--source", &format!("{registry}/gem/")])
        .args(arguments);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn gem_installs_a_closure_from_the_compact_index() {
    if !available("gem") {
        return;
    }
    let requests = install_twice(
        Ecosystem::Gem,
        "root-gem",
        |home, base| gem(home, base, &["root-gem"]),
        &[
            "gems/gems/root-gem-1.0/lib/root.rb",
            "gems/gems/dep_gem-1.2.0/lib/dep_gem.rb",
        ],
    )
    .await;
    let asked = |what: &str| {
        let mut paths = requests.iter().map(|request| request.path.to_string());
        paths.any(|path| path.ends_with(what))
    };
    assert!(asked("/gem/info/root-gem") && asked("/gem/gems/dep_gem-1.2.0.gem"));
}

/// Composer with nothing of this machine's configuration or cache.
pub(crate) fn composer(home: &Path, registry: &str, arguments: &[&str]) -> Command {
    let project = home.join("project");
    std::fs::create_dir_all(&project).unwrap();
    let settings = serde_json::json!({
        "config": {"secure-http": false},
        "repositories": [
            {"type": "composer", "url": format!("{registry}/composer")},
            {"packagist": false},
        ],
    });
    std::fs::write(project.join("composer.json"), settings.to_string()).unwrap();
    let mut command = Command::new("composer");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("COMPOSER_ALLOW_SUPERUSER", "1")
        .current_dir(project)
        .args(["require", "--no-interaction", "--no-progress"])
        .args(arguments);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn composer_installs_a_closure_with_archives_from_the_gateway() {
    if !available("composer") {
        return;
    }
    let requests = install_twice(
        Ecosystem::Composer,
        "acme/root",
        |home, base| composer(home, base, &["acme/root"]),
        &[
            "project/vendor/acme/root/root.php",
            "project/vendor/acme/dep/dep.php",
        ],
    )
    .await;
    let asked = |what: &str| {
        let mut paths = requests.iter().map(|request| request.path.to_string());
        paths.any(|path| path.starts_with(what))
    };
    assert!(asked("/composer/p2/acme/root.json") && asked("/composer/dist/acme/dep/"));
}

/// Maven with nothing of this machine's settings or repository.
fn mvn(home: &Path, registry: &str, goal: &str) -> Command {
    let settings = format!(
        "<settings><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>{registry}/maven/</url></mirror></mirrors></settings>"
    );
    std::fs::write(home.join("settings.xml"), settings).unwrap();
    let mut command = Command::new("mvn");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .args(["-B", "-ntp", "-s", "settings.xml"])
        .arg(format!(
            "-Dmaven.repo.local={}",
            home.join("repository").display()
        ))
        .arg(goal)
        .current_dir(home);
    command
}

const GOAL: &str = "com.example:everything-maven-plugin:1.0.0:greet";

#[tokio::test(flavor = "multi_thread")]
async fn maven_fetches_a_plugin_and_runs_its_goal() {
    if !available("mvn") || apa_testkit::specimen("maven-everything").is_none() {
        return;
    }
    install_twice(
        Ecosystem::Maven,
        "com.example:everything-maven-plugin",
        |home, base| mvn(home, base, GOAL),
        &[
            "repository/com/example/everything-maven-plugin/1.0.0/everything-maven-plugin-1.0.0.jar",
            "repository/org/codehaus/plexus/plexus-utils/1.1/plexus-utils-1.1.jar",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maven_is_not_given_a_plugin_with_other_bytes() {
    if !available("mvn") || apa_testkit::specimen("maven-everything").is_none() {
        return;
    }
    let setup = Setup::new().await;
    let path = "/maven/com/example/everything-maven-plugin/1.0.0/everything-maven-plugin-1.0.0.jar";
    setup
        .registry
        .fault(path, apa_gateway::fixture::Fault::OtherBytes);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let roots = vec!["com.example:everything-maven-plugin".to_owned()];
    let policy = ServePolicy::new(Ecosystem::Maven, roots);
    let serving = setup.gateway(false).serve(listener, policy).unwrap();
    let (home, base) = (tempfile::tempdir().unwrap(), serving.base_url());
    let output = tokio::task::spawn_blocking(move || mvn(home.path(), &base, GOAL).output())
        .await
        .unwrap()
        .unwrap();
    assert!(!output.status.success());
    let failed: Vec<_> = serving
        .finish()
        .await
        .into_iter()
        .filter_map(|request| request.failed)
        .collect();
    assert!(
        failed.iter().any(|why| why.contains("digest")),
        "{failed:?}"
    );
}
