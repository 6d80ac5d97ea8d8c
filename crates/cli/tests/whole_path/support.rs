use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use apa_gateway::fixture::{FixturePackage, FixtureServer};
use apa_model::Ecosystem;
use apa_model::report::Report;
use apa_testkit::Specimen;

/// Folders shared by all tests of this run, so that baselines are measured and packages fetched once.
struct Shared {
    folder: tempfile::TempDir,
}

fn shared() -> &'static Path {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED
        .get_or_init(|| Shared {
            folder: tempfile::tempdir().unwrap(),
        })
        .folder
        .path()
}

/// `apa` with folders of its own.
pub(crate) fn apa() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apa"));
    command
        .env("APA_DATA_DIR", shared().join("data"))
        .env("APA_CACHE_DIR", shared().join("cache"));
    command.env_remove("APA_OFFLINE").current_dir(shared());
    command
}

pub(crate) fn run(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    apa().args(args).output().unwrap()
}

/// Writes a specimen where `apa` can read it.
pub(crate) fn write(specimen: &Specimen) -> PathBuf {
    let folder = shared().join("specimens").join(specimen.name);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(&specimen.filename);
    std::fs::write(&path, &specimen.bytes).unwrap();
    path
}

/// Analyses a file; the report (or why there is none), and what else was printed.
pub(crate) fn analyze(path: &Path, more: &[&str]) -> (Result<Report, String>, Output) {
    let mut args = vec![
        "analyze".into(),
        path.as_os_str().to_owned(),
        "--format".into(),
        "json".into(),
    ];
    args.extend(more.iter().map(Into::into));
    let output = run(args);
    let report = serde_json::from_slice(&output.stdout).map_err(|error| {
        format!(
            "no report: {error}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (report, output)
}

/// Whether sandboxes work here; says so when they do not.
pub(crate) fn sandbox_works(test: &str) -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    let works = *WORKS.get_or_init(|| run(["doctor"]).status.success());
    if !works {
        assert!(
            std::env::var_os("APA_REQUIRE_SANDBOX").is_none(),
            "`apa doctor` finds no isolation here"
        );
        eprintln!("SKIPPED: {test}: `apa doctor` finds no isolation here");
    }
    works
}

/// A registry that serves what a specimen depends on.
pub(crate) struct Registry {
    // Serves until it is dropped.
    _runtime: tokio::runtime::Runtime,
    _server: FixtureServer,
    flags: [String; 2],
}

impl Registry {
    /// `None` for a specimen that depends on nothing.
    pub(crate) fn serving(specimen: &Specimen) -> Option<Self> {
        let served = &specimen.served;
        (!served.is_empty()).then(|| Self::of(specimen.ecosystem, served))
    }

    /// Serves these files, each with its name.
    pub(crate) fn of(ecosystem: Ecosystem, files: &[(String, Vec<u8>)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let packages = files
            .iter()
            .map(|(filename, bytes)| FixturePackage::of(ecosystem, filename, bytes.clone()));
        let server = runtime.block_on(FixtureServer::start(packages.collect::<Vec<_>>()));
        let address = &server.upstream()[&ecosystem];
        let flags = ["--registry".to_owned(), format!("{ecosystem}={address}")];
        Self {
            _runtime: runtime,
            _server: server,
            flags,
        }
    }

    /// The flags that make `apa` use it.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &str> {
        self.flags.iter().map(String::as_str)
    }
}
