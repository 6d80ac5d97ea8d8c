//! What lies on the class path of a Java archive: parents, bills of materials, scopes, exclusions.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use apa_ecosystems::{Identity, Provision, ProvisionInput, adapter};
use apa_gateway::fixture::{Fault, FixturePackage, FixtureServer};
use apa_gateway::{Gateway, GatewayConfig};
use apa_model::{ArtifactKind, Ecosystem};

/// A POM of `com.example:NAME:VERSION` with more in it.
fn pom(name: &str, version: &str, more: &str) -> String {
    format!(
        "<project><groupId>com.example</groupId><artifactId>{name}</artifactId><version>{version}</version>{more}</project>"
    )
}

fn needs(list: &[&str]) -> String {
    let one = |spec: &&str| {
        let mut parts = spec.split(' ');
        let (name, version) = (parts.next().unwrap(), parts.next().unwrap());
        let version = match version {
            "-" => String::new(),
            version => format!("<version>{version}</version>"),
        };
        let rest: String = parts.collect();
        format!(
            "<dependency><groupId>com.example</groupId><artifactId>{name}</artifactId>{version}{rest}</dependency>"
        )
    };
    let list: String = list.iter().map(one).collect();
    format!("<dependencies>{list}</dependencies>")
}

fn managed(list: &[&str]) -> String {
    format!(
        "<dependencyManagement>{}</dependencyManagement>",
        needs(list)
    )
}

/// What `com.example:root:1` with this POM needs, from a repository with these.
async fn provide(root: &str, others: &[String], fault: Option<(&str, Fault)>) -> Provision {
    let root = pom("root", "1", root);
    let packages = others.iter().chain([&root]);
    let packages: Vec<_> = packages.map(|pom| FixturePackage::maven(pom)).collect();
    let jar = packages.last().unwrap().bytes().to_vec();
    let server = FixtureServer::start(packages).await;
    if let Some((path, fault)) = fault {
        server.fault(path, fault);
    }
    let cache = tempfile::tempdir().unwrap();
    let gateway = Gateway::open(GatewayConfig {
        cache_dir: cache.path().to_owned(),
        upstream: server.upstream(),
        offline: false,
        as_of: None,
        timeout: Duration::from_secs(5),
    })
    .unwrap();
    let archive =
        apa_archive::read_bytes(&jar, "root-1.jar", &apa_archive::Limits::default()).unwrap();
    let identity = Identity {
        name: Some("com.example:root".into()),
        version: Some("1".into()),
        kind: ArtifactKind::Jar,
    };
    let input = ProvisionInput {
        archive: &archive,
        identity: &identity,
        published: true,
        root: std::path::Path::new("/"),
        keys: None,
    };
    let adapter = adapter(Ecosystem::Maven).unwrap();
    adapter.provide(&gateway, input).await.unwrap()
}

fn names(provision: &Provision) -> Vec<String> {
    assert!(
        provision.incomplete.is_empty(),
        "{:?}",
        provision.incomplete
    );
    let name = |name: &str| name.trim_start_matches("com.example:").to_owned();
    provision
        .dependencies
        .iter()
        .map(|it| format!("{} {}", name(&it.name), it.version))
        .collect()
}

#[tokio::test]
async fn the_nearest_version_wins_and_only_what_runs_is_taken() {
    let root = needs(&[
        "a 1",
        "b 1",
        "t 1 <scope>test</scope>",
        "p 1 <scope>provided</scope>",
        "o 1 <optional>true</optional>",
    ]);
    let others = [
        pom(
            "a",
            "1",
            &needs(&["c 1", "opt 1 <optional>true</optional>"]),
        ),
        pom("b", "1", &needs(&["d 1 <scope>runtime</scope>"])),
        pom("c", "1", &needs(&["d 2"])),
        pom("d", "1", ""),
        pom("d", "2", ""),
    ];
    let provision = provide(&root, &others, None).await;
    assert_eq!(names(&provision), ["a 1", "b 1", "c 1", "d 1"]);
}

#[tokio::test]
async fn versions_come_from_parents_their_properties_and_bills_of_materials() {
    let parent = "<parent><groupId>com.example</groupId><artifactId>top</artifactId><version>7</version></parent>";
    let root = format!("{parent}{}", needs(&["a -", "b -", "c ${c.version}"]));
    let bill = "bill 3 <type>pom</type><scope>import</scope>";
    let top = format!(
        "<packaging>pom</packaging><properties><c.version>4</c.version><a.version>9</a.version></properties>{}",
        managed(&["a ${a.version}", bill])
    );
    let others = [
        pom("top", "7", &top),
        pom("bill", "3", &managed(&["b 5", "a 1"])),
        pom("a", "9", ""),
        pom("b", "5", ""),
        pom("c", "4", ""),
    ];
    let provision = provide(&root, &others, None).await;
    assert_eq!(names(&provision), ["a 9", "b 5", "c 4"]);
}

#[tokio::test]
async fn the_roots_word_holds_below_it_and_exclusions_are_kept() {
    let exclusion = "<exclusions><exclusion><groupId>com.example</groupId><artifactId>x</artifactId></exclusion></exclusions>";
    let root = format!(
        "{}{}",
        managed(&["b 2"]),
        needs(&[&format!("a 1 {exclusion}")])
    );
    let others = [
        pom("a", "1", &needs(&["b 1", "c 1"])),
        pom("b", "2", &needs(&["x 1"])),
        pom("c", "1", &needs(&["x 1", "r [1,3)"])),
        pom("r", "1", ""),
        pom("r", "2.5", ""),
        pom("r", "3", ""),
    ];
    let provision = provide(&root, &others, None).await;
    assert_eq!(names(&provision), ["a 1", "b 2", "c 1", "r 2.5"]);
}

#[tokio::test]
async fn what_has_moved_is_followed_and_circles_end() {
    let moved = "<distributionManagement><relocation><artifactId>new</artifactId></relocation></distributionManagement>";
    let others = [
        pom("old", "1", moved),
        pom("new", "1", &needs(&["root 1", "new 1"])),
    ];
    let provision = provide(&needs(&["old 1"]), &others, None).await;
    assert_eq!(names(&provision), ["new 1"]);
}

#[tokio::test]
async fn what_is_missing_is_told_and_the_rest_is_there() {
    let others = [pom("a", "1", ""), pom("b", "1", "")];
    for (root, fault) in [
        (needs(&["a 1", "gone 1"]), None),
        (needs(&["a 1", "b -"]), None),
        (
            needs(&["a 1", "b 1"]),
            Some(("/maven/com/example/b/1/b-1.jar", Fault::OtherBytes)),
        ),
    ] {
        let provision = provide(&root, &others, fault).await;
        assert_eq!(provision.dependencies.len(), 1, "{root}");
        assert!(!provision.incomplete.is_empty(), "{root}");
    }
}

#[tokio::test]
async fn parents_that_lead_in_circles_end() {
    let parent = |name: &str| {
        format!(
            "<parent><groupId>com.example</groupId><artifactId>{name}</artifactId><version>1</version></parent>"
        )
    };
    let others = [pom("p", "1", &parent("q")), pom("q", "1", &parent("p"))];
    let provision = provide(&parent("p"), &others, None).await;
    assert!(provision.dependencies.is_empty());
    assert!(
        provision.incomplete[0]
            .detail
            .to_string()
            .contains("parents")
    );
}
