//! Fetching, checking, recording and replaying.

use std::path::Path;
use std::time::{Duration, Instant};

use apa_gateway::fixture::{Fault, FixturePackage};
use apa_gateway::{GatewayError, Integrity};
use serde_json::{Value, json};

use crate::support::Setup;

const TARBALL: &str = "/npm/leaf/-/leaf-1.0.0.tgz";

/// Address and integrity of version 1.0.0 of `leaf`.
async fn leaf(setup: &Setup) -> (String, Integrity) {
    let packument = setup.gateway(false).npm_packument("leaf").await.unwrap();
    let packument: Value = serde_json::from_slice(&packument).unwrap();
    let dist = &packument["versions"]["1.0.0"]["dist"];
    let integrity = Integrity::from_sri(dist["integrity"].as_str().unwrap()).unwrap();
    (dist["tarball"].as_str().unwrap().to_owned(), integrity)
}

fn files_below(path: &Path) -> usize {
    let entries = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn metadata_and_files_are_fetched_once_and_replayed_without_the_registry() {
    let mut setup = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    let gateway = setup.gateway(false);
    let first = gateway.artifact(&url, &integrity).await.unwrap();
    let page = gateway.pypi_project("Root_Py").await.unwrap();
    let asked = setup.registry.requests().len();
    assert_eq!(asked, 3);

    assert_eq!(gateway.artifact(&url, &integrity).await.unwrap(), first);
    gateway.npm_packument("leaf").await.unwrap();
    assert_eq!(
        setup.registry.requests().len(),
        asked,
        "{:?}",
        setup.registry.requests()
    );

    let registry = std::mem::replace(
        &mut setup.registry,
        apa_gateway::fixture::FixtureServer::start([]).await,
    );
    registry.stop().await;
    let offline = setup.gateway(true);
    assert_eq!(offline.artifact(&url, &integrity).await.unwrap(), first);
    assert_eq!(offline.pypi_project("root-py").await.unwrap(), page);
    let name = first.file_name().unwrap().to_str().unwrap();
    assert!(name.len() == 64 && std::fs::metadata(&first).unwrap().len() > 0);
}

#[tokio::test]
async fn what_was_not_recorded_is_missing_offline_and_says_what_to_do() {
    let setup = Setup::new().await;
    let offline = setup.gateway(true);
    let error = offline.npm_packument("leaf").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "npm:leaf is not in the cache; run once without --offline to record it"
    );
    let (url, integrity) = leaf(&setup).await;
    let error = offline.artifact(&url, &integrity).await.unwrap_err();
    assert!(matches!(error, GatewayError::OfflineMiss(_)));
}

#[tokio::test]
async fn an_unknown_package_is_told_apart_also_when_replayed() {
    let setup = Setup::new().await;
    for offline in [false, true] {
        let gateway = setup.gateway(offline);
        let error = gateway.npm_packument("no-such").await.unwrap_err();
        assert!(matches!(error, GatewayError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("npm:no-such does not exist"));
    }
    let error = setup
        .gateway(false)
        .pypi_project("no-such")
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::NotFound { .. }));
}

#[tokio::test]
async fn names_that_are_none_are_not_asked_for() {
    let setup = Setup::new().await;
    let gateway = setup.gateway(false);
    for name in ["../x", "a/b", "a b", "", "a\nb", "a?b"] {
        assert!(gateway.npm_packument(name).await.is_err());
        assert!(gateway.pypi_project(name).await.is_err());
    }
    assert_eq!(setup.registry.requests(), [""; 0]);
}

#[tokio::test]
async fn bytes_that_do_not_hash_to_what_is_stated_are_thrown_away() {
    let setup = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    setup.registry.fault(TARBALL, Fault::OtherBytes);
    let gateway = setup.gateway(false);
    let error = gateway.artifact(&url, &integrity).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("leaf-1.0.0.tgz does not have the digest"),
        "{message}"
    );
    assert!(message.contains("expected sha512:") && message.contains("got sha512:"));
    for folder in ["artifacts", "tmp", "links"] {
        assert_eq!(files_below(&setup.cache.path().join(folder)), 0, "{folder}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error_and_leaves_nothing() {
    let setup = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    setup.registry.fault(TARBALL, Fault::Truncated);
    setup.registry.fault("/npm/root", Fault::Truncated);
    let gateway = setup.gateway(false);
    let error = gateway.artifact(&url, &integrity).await.unwrap_err();
    assert!(matches!(error, GatewayError::Unreachable { .. }), "{error}");
    assert_eq!(files_below(&setup.cache.path().join("tmp")), 0);
    assert!(gateway.npm_packument("root").await.is_err());
}

#[tokio::test]
async fn one_failure_of_the_registry_is_tried_again_and_two_are_reported() {
    let setup = Setup::new().await;
    let gateway = setup.gateway(false);
    setup.registry.fault("/npm/leaf", Fault::Status(503, 1));
    gateway.npm_packument("leaf").await.unwrap();
    setup.registry.fault("/npm/root", Fault::Status(503, 2));
    let error = gateway.npm_packument("root").await.unwrap_err();
    assert!(
        matches!(error, GatewayError::Status { status: 503, .. }),
        "{error}"
    );
    setup.registry.fault("/npm/stranger", Fault::Status(403, 9));
    let error = gateway.npm_packument("stranger").await.unwrap_err();
    assert!(
        matches!(error, GatewayError::Status { status: 403, .. }),
        "{error}"
    );
    let asked = |path: &str| {
        let requests = setup.registry.requests();
        requests
            .iter()
            .filter(|request| request.ends_with(path))
            .count()
    };
    assert_eq!(
        (asked("/leaf"), asked("/root"), asked("/stranger")),
        (2, 2, 1)
    );
}

#[tokio::test]
async fn a_file_that_vanished_after_its_metadata_is_reported() {
    let setup = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    setup.registry.fault(TARBALL, Fault::Missing);
    let error = setup
        .gateway(false)
        .artifact(&url, &integrity)
        .await
        .unwrap_err();
    assert!(
        matches!(error, GatewayError::Status { status: 404, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn silence_ends_with_the_time_out() {
    let setup = Setup::new().await;
    setup
        .registry
        .fault("/npm/leaf", Fault::Slow(Duration::from_secs(30)));
    let started = Instant::now();
    let error = setup
        .gateway(false)
        .npm_packument("leaf")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no answer in time; check the network"),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(10));
    setup
        .registry
        .fault("/npm/root", Fault::Slow(Duration::from_millis(200)));
    setup.gateway(false).npm_packument("root").await.unwrap();
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named_with_the_next_step() {
    let setup = Setup::new().await;
    let gateway = setup.gateway(false);
    let address = setup.registry.url("/");
    gateway.npm_packument("root").await.unwrap();
    setup.registry.stop().await;
    let message = gateway.npm_packument("leaf").await.unwrap_err().to_string();
    let host = format!("127.0.0.1:{}", address.port().unwrap());
    assert!(
        message.starts_with(&format!("cannot reach the registry at {host}: ")),
        "{message}"
    );
    assert!(message.ends_with("or use --offline to work from the cache"));
}

#[tokio::test]
async fn what_is_too_large_is_refused_without_reading_it() {
    let setup = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    setup.registry.fault(TARBALL, Fault::Huge);
    setup.registry.fault("/npm/root", Fault::Huge);
    let gateway = setup.gateway(false);
    let started = Instant::now();
    for error in [
        gateway.artifact(&url, &integrity).await.unwrap_err(),
        gateway.npm_packument("root").await.unwrap_err(),
    ] {
        assert!(matches!(error, GatewayError::TooLarge { .. }), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn metadata_may_not_come_from_elsewhere_but_a_file_with_the_right_digest_may() {
    let setup = Setup::new().await;
    let elsewhere = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    let gateway = setup.gateway(false);
    let to = |path: &str| Fault::Redirect(elsewhere.registry.url(path).to_string());
    setup.registry.fault("/npm/root", to("/npm/root"));
    let error = gateway.npm_packument("root").await.unwrap_err();
    assert!(
        error.to_string().contains("redirected to another host"),
        "{error}"
    );
    assert_eq!(elsewhere.registry.requests(), [""; 0]);

    setup
        .registry
        .fault(TARBALL, to("/npm/stranger/-/stranger-1.0.0.tgz"));
    let error = gateway.artifact(&url, &integrity).await.unwrap_err();
    assert!(matches!(error, GatewayError::Integrity { .. }), "{error}");
    setup.registry.fault(TARBALL, to(TARBALL));
    let error = gateway
        .artifact(&url, &Integrity::Unstated)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("redirected to another host"),
        "{error}"
    );
    gateway.artifact(&url, &integrity).await.unwrap();
}

#[tokio::test]
async fn nonsense_is_not_recorded() {
    let setup = Setup::new().await;
    setup.registry.fault("/npm/leaf", Fault::Nonsense);
    let error = setup
        .gateway(false)
        .npm_packument("leaf")
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::Metadata { .. }), "{error}");
    let error = setup.gateway(true).npm_packument("leaf").await.unwrap_err();
    assert!(matches!(error, GatewayError::OfflineMiss(_)));
}

#[tokio::test]
async fn a_file_damaged_on_disk_is_fetched_again() {
    let setup = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    let path = setup
        .gateway(false)
        .artifact(&url, &integrity)
        .await
        .unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, b"damaged").unwrap();
    let error = setup
        .gateway(true)
        .artifact(&url, &integrity)
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::OfflineMiss(_)));
    let again = setup
        .gateway(false)
        .artifact(&url, &integrity)
        .await
        .unwrap();
    assert_eq!(
        (again == path, std::fs::read(&path).unwrap()),
        (true, whole)
    );
}

#[tokio::test]
async fn many_at_once_ask_the_registry_once() {
    let setup = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    let gateway = setup.gateway(false);
    let before = setup.registry.requests().len();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (gateway, url, integrity) = (gateway.clone(), url.clone(), integrity.clone());
            tokio::spawn(async move {
                gateway.npm_packument("root").await.unwrap();
                gateway.artifact(&url, &integrity).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(setup.registry.requests().len(), before + 2);
}

#[tokio::test]
async fn two_gateways_share_one_cache() {
    let setup = Setup::new().await;
    let (url, integrity) = leaf(&setup).await;
    let (one, two) = (setup.gateway(false), setup.gateway(false));
    for _ in 0..20 {
        let (a, b) = tokio::join!(
            one.artifact(&url, &integrity),
            two.artifact(&url, &integrity)
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a, b);
        let (c, d) = tokio::join!(one.npm_packument("root"), two.npm_packument("root"));
        assert_eq!(c.unwrap(), d.unwrap());
        std::fs::remove_file(a).unwrap();
    }
    assert_eq!(files_below(&setup.cache.path().join("tmp")), 0);
}

#[tokio::test]
async fn a_new_version_is_seen_once_the_record_is_no_longer_fresh() {
    let setup = Setup::new().await;
    setup.gateway(false).npm_packument("leaf").await.unwrap();
    let added = FixturePackage::npm(&json!({"name": "leaf", "version": "2.0.0"}), &[]);
    setup.registry.add(added);
    let stale = setup.gateway(false).npm_packument("leaf").await.unwrap();
    assert!(!String::from_utf8_lossy(&stale).contains("2.0.0"));
    age_records(setup.cache.path());
    let new = setup.gateway(false).npm_packument("leaf").await.unwrap();
    assert!(String::from_utf8_lossy(&new).contains("2.0.0"));
    age_records(setup.cache.path());
    // Not modified: confirmed, and fresh again.
    assert_eq!(
        setup.gateway(false).npm_packument("leaf").await.unwrap(),
        new
    );
    let asked = setup.registry.requests().len();
    setup.gateway(false).npm_packument("leaf").await.unwrap();
    assert_eq!((asked, setup.registry.requests().len()), (3, 3));
}

/// Makes every record look an hour old.
fn age_records(cache: &Path) {
    for folder in std::fs::read_dir(cache.join("metadata")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let content = std::fs::read_to_string(&path).unwrap();
            let (about, body) = content.split_once('\n').unwrap();
            let mut about: Value = serde_json::from_str(about).unwrap();
            about["confirmed"] = (about["confirmed"].as_u64().unwrap() - 3600).into();
            std::fs::write(&path, format!("{about}\n{body}")).unwrap();
        }
    }
}

#[tokio::test]
async fn an_index_that_speaks_only_html_gives_the_same_files() {
    let setup = Setup::new().await;
    let json = setup.gateway(false).pypi_project("root-py").await.unwrap();
    setup.registry.html_only();
    let html_setup = Setup {
        cache: tempfile::tempdir().unwrap(),
        ..setup
    };
    let html = html_setup
        .gateway(false)
        .pypi_project("root-py")
        .await
        .unwrap();
    let (json, html): (Value, Value) = (
        serde_json::from_slice(&json).unwrap(),
        serde_json::from_slice(&html).unwrap(),
    );
    for field in ["filename", "hashes"] {
        assert_eq!(html["files"][0][field], json["files"][0][field]);
    }
}
