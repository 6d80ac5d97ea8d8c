//! Genuine cargo fetches crates through the gateway, also where the registry misbehaves.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use apa_gateway::fixture::{Fault, FixturePackage};
use apa_gateway::{ServePolicy, ServedRequest};
use apa_model::Ecosystem;
use apa_testkit::Crate;

use crate::support::Setup;

/// The file of a crate that the root depends on.
const FILE: &str = "/crates/dl/Dep-Crate/1.2.0";
const LINES: &str = "/crates/de/p-/dep-crate";

async fn setup() -> Setup {
    let setup = Setup::new().await;
    let library = |name: &str, version: &str| Crate::new(name, version).file("src/lib.rs", "");
    let crates = [
        library("root-crate", "1.0.0").manifest("[dependencies]\nDep-Crate = \"1\""),
        library("Dep-Crate", "1.0.0"),
        library("Dep-Crate", "1.2.0")
            .manifest("[dependencies]\nrenamed = { package = \"abc\", version = \"1\" }"),
        library("abc", "1.0.0"),
        library("foreign", "1.0.0"),
    ];
    for one in crates {
        setup.registry.add(FixturePackage::from_crate(one.build()));
    }
    setup
}

/// The toolchain's own folder: the clients in `PATH` may be found by the user's home only.
fn sysroot() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output();
    let text = output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let found = text.map(|text| PathBuf::from(text.trim()));
    let found = found.filter(|folder| folder.join("bin/cargo").is_file());
    if found.is_none() {
        println!("SKIPPED: cargo is not installed");
    }
    found
}

fn cargo(home: &Path, base: &str, sysroot: &Path, arguments: &[&str]) -> Output {
    let project = home.join("project");
    std::fs::create_dir_all(project.join("src")).unwrap();
    std::fs::create_dir_all(home.join(".cargo")).unwrap();
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\nregistry = \"sparse+{base}/cargo/\"\n"
    );
    std::fs::write(home.join(".cargo/config.toml"), config).unwrap();
    let manifest = "[package]\nname = \"project\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                    [dependencies]\nroot-crate = \"1\"\n";
    std::fs::write(project.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(
        project.join("src/main.rs"),
        "use root_crate as _;\nfn main() {}\n",
    )
    .unwrap();
    let path = format!("{}:/usr/bin:/bin", sysroot.join("bin").display());
    Command::new(sysroot.join("bin/cargo"))
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .env("CARGO_NET_RETRY", "0")
        .current_dir(project)
        .args(arguments)
        .output()
        .unwrap()
}

/// What cargo says, and what was asked for.
async fn run(
    setup: &Setup,
    offline: bool,
    arguments: &'static [&str],
) -> Option<(Output, Vec<ServedRequest>)> {
    let sysroot = sysroot()?;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut policy = ServePolicy::new(Ecosystem::Cargo, vec!["root-crate".to_owned()]);
    policy.name_budget = 0;
    let serving = setup.gateway(offline).serve(listener, policy).unwrap();
    let base = serving.base_url();
    let home = tempfile::tempdir().unwrap();
    let work = move || cargo(home.path(), &base, &sysroot, arguments);
    let output = tokio::task::spawn_blocking(work).await.unwrap();
    Some((output, serving.finish().await))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn cargo_builds_a_closure_and_again_with_the_registry_gone() {
    let setup = setup().await;
    for offline in [false, true] {
        let before = setup.registry.requests().len();
        let Some((output, requests)) = run(&setup, offline, &["build"]).await else {
            return;
        };
        assert!(output.status.success(), "{}", text(&output));
        let bad = |it: &&ServedRequest| it.refused.is_some() || it.failed.is_some() || it.outside;
        let bad: Vec<_> = requests.iter().filter(bad).collect();
        assert!(bad.is_empty(), "{bad:?}");
        let asked = setup.registry.requests().len() - before;
        assert_eq!(asked == 0, offline, "{asked} requests reached the registry");
    }
}

/// Fetches with a fault at one path; whether cargo is content, and why the gateway was not.
async fn fetch_with(path: &str, fault: Fault) -> Option<(bool, Vec<String>)> {
    let setup = setup().await;
    setup.registry.fault(path, fault);
    let (output, requests) = run(&setup, false, &["fetch"]).await?;
    let failed = requests.into_iter().filter_map(|request| request.failed);
    Some((output.status.success(), failed.collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_those_of_the_index_never_reach_cargo() {
    for fault in [Fault::OtherBytes, Fault::Truncated, Fault::Huge] {
        let shown = format!("{fault:?}");
        let Some((content, failed)) = fetch_with(FILE, fault).await else {
            return;
        };
        assert!(!content && !failed.is_empty(), "{shown}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_silent_or_gone_half_way_is_told() {
    for (path, fault) in [
        (FILE, Fault::Slow(Duration::from_secs(30))),
        (LINES, Fault::Slow(Duration::from_secs(30))),
        (LINES, Fault::Truncated),
        (LINES, Fault::Nonsense),
        (LINES, Fault::Status(500, 9)),
        ("/crates/config.json", Fault::Nonsense),
    ] {
        let shown = format!("{path} {fault:?}");
        let Some((content, failed)) = fetch_with(path, fault).await else {
            return;
        };
        assert!(!content && !failed.is_empty(), "{shown}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanished_after_its_lines_is_missing_for_cargo_too() {
    let Some((content, failed)) = fetch_with(FILE, Fault::Missing).await else {
        return;
    };
    assert!(!content && failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_is_tried_again_and_cargo_does_not_notice() {
    for path in [FILE, LINES] {
        let Some((content, failed)) = fetch_with(path, Fault::Status(503, 1)).await else {
            return;
        };
        assert!(content && failed.is_empty(), "{path}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_may_not_come_from_elsewhere_but_a_file_with_the_right_digest_may() {
    let elsewhere = setup().await;
    for (path, fine) in [(LINES, false), (FILE, true)] {
        let to = elsewhere.registry.url(path).to_string();
        let Some((content, failed)) = fetch_with(path, Fault::Redirect(to)).await else {
            return;
        };
        assert_eq!(
            (content, failed.is_empty()),
            (fine, fine),
            "{path}: {failed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crate_outside_the_closure_is_not_asked_for() {
    let setup = setup().await;
    let arguments = &["add", "foreign"];
    let Some((output, requests)) = run(&setup, false, arguments).await else {
        return;
    };
    assert!(!output.status.success());
    assert!(
        requests.iter().any(|request| request.refused.is_some()),
        "{requests:?}"
    );
    let asked = setup.registry.requests();
    assert!(
        !asked.iter().any(|request| request.contains("foreign")),
        "{asked:?}"
    );
}
