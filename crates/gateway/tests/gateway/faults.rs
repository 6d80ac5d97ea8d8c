//! Genuine clients at a registry that misbehaves: what they install is right or nothing.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use apa_gateway::fixture::Fault;
use apa_gateway::{ServePolicy, ServedRequest};
use apa_model::Ecosystem;

use crate::clients::{available, composer, gem};
use crate::support::Setup;

/// A client, what it installs, and the file of the dependency that comes with it.
#[derive(Clone, Copy)]
struct Case {
    program: &'static str,
    ecosystem: Ecosystem,
    client: fn(&Path, &str, &[&str]) -> Command,
    root: &'static str,
    file: &'static str,
    installed: &'static str,
}

const GEM: Case = Case {
    program: "gem",
    ecosystem: Ecosystem::Gem,
    client: gem,
    root: "root-gem",
    file: "/gem/gems/dep_gem-1.2.0.gem",
    installed: "gems/gems/dep_gem-1.2.0/lib/dep_gem.rb",
};

const COMPOSER: Case = Case {
    program: "composer",
    ecosystem: Ecosystem::Composer,
    client: composer,
    root: "acme/root",
    file: "/composer/dist/acme-dep-1.2.0.zip",
    installed: "project/vendor/acme/dep/dep.php",
};

/// How an installation went: whether the dependency is there, and what the gateway was asked.
struct Outcome {
    installed: bool,
    requests: Vec<ServedRequest>,
}

impl Outcome {
    fn failed(&self) -> String {
        let failed = self
            .requests
            .iter()
            .filter_map(|request| request.failed.as_deref());
        failed.collect::<Vec<_>>().join("; ")
    }
}

impl Case {
    async fn with(self, setup: &Setup, fault: Fault) -> Outcome {
        setup.registry.fault(self.file, fault);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let policy = ServePolicy::new(self.ecosystem, vec![self.root.to_owned()]);
        let serving = setup.gateway(false).serve(listener, policy).unwrap();
        let home = tempfile::tempdir().unwrap();
        let (path, base) = (home.path().to_owned(), serving.base_url());
        let run = move || (self.client)(&path, &base, &[self.root]).output().unwrap();
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let installed = home.path().join(self.installed).exists();
        assert_eq!(output.status.success(), installed, "{output:?}");
        Outcome {
            installed,
            requests: serving.finish().await,
        }
    }
}

/// Those that are the same for every client.
async fn common_faults(case: Case) {
    if !available(case.program) {
        return;
    }
    let fails = [
        (Fault::Truncated, "cut off"),
        (Fault::Slow(Duration::from_secs(30)), "no answer in time"),
        (Fault::Huge, "larger than"),
    ];
    for (fault, why) in fails {
        let setup = Setup::new().await;
        let shown = format!("{fault:?}");
        let outcome = case.with(&setup, fault).await;
        assert!(!outcome.installed, "{shown}");
        if !matches!(why, "cut off") {
            assert!(
                outcome.failed().contains(why),
                "{shown}: {}",
                outcome.failed()
            );
        }
        assert!(!outcome.failed().is_empty(), "{shown}");
    }
    let setup = Setup::new().await;
    let gone = case.with(&setup, Fault::Missing).await;
    assert!(!gone.installed && gone.requests.iter().any(|request| request.status == 404));
    let setup = Setup::new().await;
    let again = case.with(&setup, Fault::Status(503, 1)).await;
    assert!(again.installed && again.failed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn gem_installs_what_the_index_states_or_nothing() {
    common_faults(GEM).await;
    if !available("gem") {
        return;
    }
    let setup = Setup::new().await;
    let other = GEM.with(&setup, Fault::OtherBytes).await;
    assert!(!other.installed && other.failed().contains("digest"));
    let (setup, elsewhere) = (Setup::new().await, Setup::new().await);
    let to = |path: &str| Fault::Redirect(elsewhere.registry.url(path).to_string());
    let strange = GEM.with(&setup, to("/gem/gems/dep_gem-2.0.0.gem")).await;
    assert!(!strange.installed && strange.failed().contains("digest"));
    // Its digest decides, not where it comes from.
    assert!(GEM.with(&setup, to(GEM.file)).await.installed);
}

#[tokio::test(flavor = "multi_thread")]
async fn composer_installs_what_comes_from_the_host_that_is_named_or_nothing() {
    common_faults(COMPOSER).await;
    if !available("composer") {
        return;
    }
    let (setup, elsewhere) = (Setup::new().await, Setup::new().await);
    let to = Fault::Redirect(elsewhere.registry.url(COMPOSER.file).to_string());
    let outcome = COMPOSER.with(&setup, to).await;
    assert!(!outcome.installed && outcome.failed().contains("another host"));
    assert_eq!(elsewhere.registry.requests(), [""; 0]);
    // A hash that is stated counts.
    let checked = Case {
        root: "acme/checked",
        installed: "project/vendor/acme/checked/composer.json",
        ..COMPOSER
    };
    let outcome = checked
        .with(&Setup::new().await, Fault::Status(503, 0))
        .await;
    assert!(!outcome.installed && outcome.failed().contains("digest"));
}
