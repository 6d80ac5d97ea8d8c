//! Files of a Maven repository: what stands beside them decides what is taken.

use std::time::Duration;

use apa_gateway::fixture::{Fault, FixturePackage, FixtureServer};
use apa_gateway::maven::{MavenFile, Metadata};
use apa_gateway::{Gateway, GatewayConfig, GatewayError, Integrity};
use jiff::Timestamp;
use tempfile::TempDir;

const FILE: &str = "/maven/com/example/demo/1.0/demo-1.0.jar";

struct Setup {
    registry: FixtureServer,
    cache: TempDir,
}

impl Setup {
    async fn new() -> Self {
        let pom = |version: &str| {
            format!(
                "<project><groupId>com.example</groupId><artifactId>demo</artifactId><version>{version}</version></project>"
            )
        };
        let old = FixturePackage::maven(&pom("1.0")).published("2024-01-01T00:00:00Z");
        let new = FixturePackage::maven(&pom("1.1")).published("2025-01-01T00:00:00Z");
        Self {
            registry: FixtureServer::start([old, new]).await,
            cache: tempfile::tempdir().unwrap(),
        }
    }

    fn gateway_at(&self, offline: bool, as_of: Option<Timestamp>) -> std::sync::Arc<Gateway> {
        Gateway::open(GatewayConfig {
            cache_dir: self.cache.path().to_owned(),
            upstream: self.registry.upstream(),
            offline,
            as_of,
            timeout: Duration::from_millis(1500),
        })
        .unwrap()
    }

    async fn jar(&self) -> Result<std::path::PathBuf, GatewayError> {
        self.gateway_at(false, None).maven_file(&jar("1.0")).await
    }
}

fn jar(version: &str) -> MavenFile {
    MavenFile::new("com.example:demo", version, None, "jar")
}

#[tokio::test]
async fn a_file_is_checked_against_the_strongest_digest_beside_it_and_replayed() {
    let setup = Setup::new().await;
    let gateway = setup.gateway_at(false, None);
    let stated = gateway.maven_stated(&jar("1.0")).await.unwrap().1;
    assert!(matches!(stated, Integrity::Sha256(_)), "{stated}");
    let path = gateway.maven_file(&jar("1.0")).await.unwrap();
    let before = setup.registry.requests().len();
    let offline = setup.gateway_at(true, None);
    assert_eq!(offline.maven_file(&jar("1.0")).await.unwrap(), path);
    assert_eq!(setup.registry.requests().len(), before);
}

#[tokio::test]
async fn without_sha256_the_sha1_counts_and_without_both_it_is_told() {
    let setup = Setup::new().await;
    setup
        .registry
        .fault(&format!("{FILE}.sha256"), Fault::Missing);
    let gateway = setup.gateway_at(false, None);
    let stated = gateway.maven_stated(&jar("1.0")).await.unwrap().1;
    assert!(matches!(stated, Integrity::Sha1(_)), "{stated}");
    let setup = Setup::new().await;
    for end in ["sha1", "sha256"] {
        setup
            .registry
            .fault(&format!("{FILE}.{end}"), Fault::Missing);
    }
    let gateway = setup.gateway_at(false, None);
    let stated = gateway.maven_stated(&jar("1.0")).await.unwrap().1;
    assert_eq!(stated, Integrity::Unstated);
    assert!(gateway.maven_file(&jar("1.0")).await.is_ok());
}

type Expected = fn(&GatewayError) -> bool;

#[tokio::test]
async fn faults_of_the_repository_are_told_apart() {
    let cases: [(Fault, Expected); 5] = [
        (Fault::OtherBytes, |error| {
            matches!(error, GatewayError::Integrity { .. })
        }),
        (Fault::Truncated, |error| {
            matches!(error, GatewayError::Unreachable { .. })
        }),
        (Fault::Slow(Duration::from_secs(5)), |error| {
            matches!(error, GatewayError::Unreachable { .. })
        }),
        (Fault::Missing, |error| {
            matches!(error, GatewayError::Status { status: 404, .. })
        }),
        (Fault::Status(503, 9), |error| {
            matches!(error, GatewayError::Status { status: 503, .. })
        }),
    ];
    for (fault, expected) in cases {
        let setup = Setup::new().await;
        let told = format!("{fault:?}");
        setup.registry.fault(FILE, fault);
        let error = setup.jar().await.unwrap_err();
        assert!(expected(&error), "{told}: {error}");
    }
}

#[tokio::test]
async fn one_failure_is_tried_again() {
    let setup = Setup::new().await;
    setup.registry.fault(FILE, Fault::Status(503, 1));
    setup
        .registry
        .fault(&format!("{FILE}.sha256"), Fault::Status(500, 1));
    setup.jar().await.unwrap();
}

#[tokio::test]
async fn a_digest_may_not_come_from_elsewhere_but_what_has_it_may() {
    let setup = Setup::new().await;
    let elsewhere = Setup::new().await;
    let there = elsewhere.registry.url(FILE).to_string();
    setup.registry.fault(FILE, Fault::Redirect(there));
    setup.jar().await.unwrap();
    let setup = Setup::new().await;
    let there = elsewhere
        .registry
        .url(&format!("{FILE}.sha256"))
        .to_string();
    setup
        .registry
        .fault(&format!("{FILE}.sha256"), Fault::Redirect(there));
    let error = setup.jar().await.unwrap_err();
    assert!(matches!(error, GatewayError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_pom_that_is_none_is_unusable_metadata() {
    let setup = Setup::new().await;
    let pom = "/maven/com/example/demo/1.0/demo-1.0.pom";
    for end in ["", ".sha1", ".sha256"] {
        let fault = if end.is_empty() {
            Fault::Nonsense
        } else {
            Fault::Missing
        };
        setup.registry.fault(&format!("{pom}{end}"), fault);
    }
    let gateway = setup.gateway_at(false, None);
    let error = gateway
        .maven_pom("com.example:demo", "1.0")
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::Metadata { .. }), "{error}");
}

#[tokio::test]
async fn what_came_after_the_time_that_is_set_was_not_there() {
    let setup = Setup::new().await;
    let gateway = setup.gateway_at(false, Some("2024-06-01T00:00:00Z".parse().unwrap()));
    let index = gateway.maven_metadata("com.example:demo").await.unwrap();
    assert_eq!(Metadata::parse(&index).unwrap().versions, ["1.0", "1.1"]);
    let name = "com.example:demo";
    assert!(gateway.maven_was_there(name, "1.0").await.unwrap());
    assert!(!gateway.maven_was_there(name, "1.1").await.unwrap());
    let anytime = setup.gateway_at(false, None);
    assert!(anytime.maven_was_there(name, "1.1").await.unwrap());
}
