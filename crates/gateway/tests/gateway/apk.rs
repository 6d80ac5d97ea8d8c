//! The repository of a system's packages: what is served, and what a repository that misbehaves leads to.

use std::time::Duration;

use apa_apk::{Index, Keys};
use apa_gateway::Integrity;
use apa_gateway::fixture::{Fault, FixturePackage};
use apa_model::Ecosystem;
use apa_testkit::ApkPackage;

use crate::serve::{get, serve};
use crate::support::Setup;

const TOOL: &str = "tool-1.2-r3.apk";

async fn setup() -> Setup {
    let setup = Setup::new().await;
    for package in [
        ApkPackage::new("tool", "1.2-r3")
            .line("depend = so:liblog.so.1")
            .program("usr/bin/tool", "#!/bin/sh\n"),
        ApkPackage::new("liblog", "2.0-r0")
            .line("provides = so:liblog.so.1=1")
            .file("usr/lib/liblog.so.1", "x"),
        ApkPackage::new("stranger", "1-r0").file("usr/share/x", "x"),
    ] {
        let made = FixturePackage::of(Ecosystem::Apk, &package.filename(), package.build());
        setup.registry.add(made);
    }
    setup
}

/// Asks a sandbox's side of the gateway; statuses and bodies.
async fn ask(setup: &Setup, paths: &[&str]) -> Vec<(u16, Vec<u8>)> {
    let serving = serve(setup, Ecosystem::Apk, "tool", 0);
    let mut answers = Vec::new();
    for path in paths {
        answers.push(get(&serving, &format!("/apk/x86_64/{path}")).await);
    }
    serving.finish().await;
    answers
}

#[tokio::test]
async fn an_index_and_the_packages_of_a_closure_are_served() {
    let setup = setup().await;
    let paths = [
        "APKINDEX.tar.gz",
        "liblog-2.0-r0.apk",
        TOOL,
        "liblog-2.0-r0.apk",
        "stranger-1-r0.apk",
        "nowhere-1-r0.apk",
        "..%2fx.apk",
    ];
    let answers = ask(&setup, &paths).await;
    let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    // A dependency becomes known with what needs it.
    assert_eq!(statuses[..5], [200, 404, 200, 200, 404]);
    assert!(statuses[5..].iter().all(|status| *status >= 400));
    let (index, _) = Index::read(&answers[0].1, &Keys::default()).unwrap();
    assert_eq!(index.records.len(), 3);
    let archive = apa_archive::read_bytes(&answers[2].1, TOOL, &apa_archive::Limits::default());
    let integrity = apa_apk::verify(&archive.unwrap(), &Keys::default());
    let record = index.versions("tool").next().unwrap();
    assert_eq!(record.check(&integrity), Ok(()));
}

#[tokio::test]
async fn a_package_that_is_not_the_one_of_the_index_is_not_served() {
    for fault in [
        Fault::OtherBytes,
        Fault::Truncated,
        Fault::Missing,
        Fault::Nonsense,
        Fault::Slow(Duration::from_secs(5)),
        Fault::Redirect("http://192.0.2.1/x.apk".into()),
    ] {
        let setup = setup().await;
        let name = format!("{fault:?}");
        setup.registry.fault(&format!("/apk/x86_64/{TOOL}"), fault);
        let answers = ask(&setup, &["APKINDEX.tar.gz", TOOL]).await;
        assert_eq!(answers[0].0, 200, "{name}");
        assert!(answers[1].0 >= 400, "{name}: {}", answers[1].0);
    }
}

#[tokio::test]
async fn a_repository_that_recovers_is_asked_again() {
    let setup = setup().await;
    let index = "/apk/x86_64/APKINDEX.tar.gz";
    setup.registry.fault(index, Fault::Status(503, 1));
    let gateway = setup.gateway(false);
    assert!(!gateway.apk_index("x86_64").await.unwrap().is_empty());
    let file = format!("/apk/x86_64/{TOOL}");
    setup.registry.fault(&file, Fault::Status(503, 1));
    let url = gateway.apk_file("x86_64", TOOL).unwrap();
    assert!(
        gateway
            .artifact(url.as_str(), &Integrity::Unstated)
            .await
            .is_ok()
    );
    // What was recorded is there without a network.
    let offline = setup.gateway(true);
    assert!(offline.apk_index("x86_64").await.is_ok());
    assert!(
        offline
            .artifact(url.as_str(), &Integrity::Unstated)
            .await
            .is_ok()
    );
}
