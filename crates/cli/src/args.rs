use std::path::PathBuf;
use std::str::FromStr;

use apa_model::{Ecosystem, NetworkMode, PackageRefError, Persona, VerdictLabel};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Tell whether an open-source package is malicious by running it and watching.
#[derive(Debug, Parser)]
#[command(name = "apa", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say more on standard error; twice for details.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run packages in a sandbox and judge what they do.
    #[command(after_help = ANALYZE_HELP)]
    Analyze(Analyze),
    /// Analyse every package of a lock file, an SBOM or a folder of them.
    #[command(after_help = SCAN_HELP)]
    Scan(Scan),
    /// Read labelled package files and say how often the verdict is right.
    Eval(Eval),
    /// Show the report of an earlier analysis again.
    Report(Show),
    /// Root file systems that packages are run in.
    Image(Image),
    /// Say what this machine has of what the sandbox needs, and how to get the rest.
    Doctor(Doctor),
    /// Print the JSON Schema of reports, or of scans.
    Schema(Schema),
}

const ANALYZE_HELP: &str = "\
Examples:
  apa analyze npm:left-pad@1.3.0
  apa analyze pkg:pypi/requests
  apa analyze ./suspect-1.0.0.tgz --format json
  apa analyze npm:esbuild -o json=esbuild.json -o html=esbuild.html
  apa analyze --static-only --format ndjson *.tgz *.whl

Exit codes: 0 clean and complete, 1 findings at or above --fail-on, 2 usage, 3 incomplete,
4 nothing to analyse, 5 refused (no isolation).";

const SCAN_HELP: &str = "\
Examples:
  apa scan package-lock.json
  apa scan . --jobs 4 --format json
  apa scan poetry.lock --changed-since origin/main

Reads package-lock.json, npm-shrinkwrap.json, yarn.lock, pnpm-lock.yaml, requirements.txt, poetry.lock,
pdm.lock, uv.lock, pylock.toml, Pipfile.lock, Gemfile.lock, composer.lock, Cargo.lock, pom.xml, CycloneDX
and SPDX. A scan that was interrupted goes on where it was. The exit code is the worst of all packages.";

#[derive(Debug, Args)]
pub(crate) struct Analyze {
    /// Packages (npm:NAME[@VERSION], pypi:NAME[@VERSION], purls) and files (.tgz, .whl, .tar.gz, .zip).
    #[arg(required_unless_present = "from", value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Read package files without running them: no sandbox, no registry, many at once.
    #[arg(long)]
    pub(crate) static_only: bool,
    /// Package files, one a line (`-`: standard input); what follows a `#` at the start is left out.
    #[arg(long, value_name = "LIST", requires = "static_only")]
    pub(crate) from: Option<PathBuf>,
    /// How many files are read at once [default: one per processor].
    #[arg(long, value_name = "N", requires = "static_only", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Also write the report to a file; may be repeated.
    #[arg(short, long, value_name = "FORMAT=PATH")]
    pub(crate) output: Vec<Output>,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// Lock files, SBOMs, and folders in which they are looked for.
    #[arg(required = true, value_name = "LIST")]
    pub(crate) lists: Vec<PathBuf>,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = ScanFormat::Text)]
    pub(crate) format: ScanFormat,
    /// Also write the result to a file; may be repeated.
    #[arg(short, long, value_name = "FORMAT=PATH")]
    pub(crate) output: Vec<Output<ScanFormat>>,
    /// Packages analysed at the same time [default: one for every two processors].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Look only at what an older list (a file, or a folder like the one given) or a commit of git does not have.
    #[arg(long, value_name = "FILE|GIT-REF")]
    pub(crate) changed_since: Option<String>,
    /// Take over results of the same files up to this old; 0 to analyse everything anew.
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    pub(crate) max_age: u32,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Image {
    #[command(subcommand)]
    pub(crate) command: ImageCommand,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Name those that are kept: name, digest, what is in it.
    List,
    /// Build one: debian, wolfi (from the repository that is set), oci:PATH.
    Build {
        /// Which.
        image: String,
    },
    /// Pull one from a registry: oci:REGISTRY/NAME:TAG.
    Pull {
        /// Which.
        image: String,
    },
    /// Remove those of a name, or whose digest begins so.
    Rm {
        /// Name, or at least six digits of the digest.
        image: String,
    },
}

/// How packages are run and judged.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// The mildest verdict that makes the exit code 1 [default: suspicious].
    #[arg(long, value_enum, env = "APA_FAIL_ON")]
    pub(crate) fail_on: Option<FailOn>,
    /// The machine the package believes it is on [default: developer].
    #[arg(long, value_enum, env = "APA_PERSONA")]
    pub(crate) persona: Option<PersonaArg>,
    /// How the simulated network behaves [default: realistic].
    #[arg(long, value_enum, env = "APA_NETWORK", value_name = "PROFILE")]
    pub(crate) network: Option<NetworkArg>,
    /// The root file system it runs in: host, debian, wolfi, dir:PATH, oci:PATH, oci:REGISTRY/NAME:TAG [default: host; for
    /// apk packages a small system of their repository].
    #[arg(long, env = "APA_IMAGE", value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Which system calls are recorded: those of interest, or every one (slower).
    #[arg(long, value_enum, default_value_t = Syscalls::Interesting)]
    pub(crate) syscalls: Syscalls,
    /// Which artifacts of a release are run.
    #[arg(long, value_enum, default_value_t = Artifacts::All)]
    pub(crate) artifacts: Artifacts,
    /// Ask no registry; use what earlier runs recorded.
    #[arg(long, env = "APA_OFFLINE", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true")]
    pub(crate) offline: Option<bool>,
    /// Resolve and install as if it were this day or time: 2026-05-01, 2026-05-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<jiff::Timestamp>,
    /// Bound of all phases together, seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) time_limit: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// Table of files (path below DIR), label (malicious, benign), and optionally arm and cluster.
    #[arg(long, value_name = "CSV")]
    pub(crate) labels: PathBuf,
    /// Folder that the files lie in.
    pub(crate) folder: PathBuf,
    /// How many files are read at once [default: one per processor].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Id of the analysis: `analysis` in its JSON report.
    pub(crate) id: String,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Of which document.
    #[arg(value_enum, default_value_t = Document::Report)]
    pub(crate) document: Document,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Document {
    /// What analyze --format json prints.
    Report,
    /// What scan --format json prints.
    Scan,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Where things are; flags win over the environment, and that over `apa.toml`.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Folder of analyses [default: the user's data folder].
    #[arg(long, env = "APA_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of what registries gave [default: the user's cache folder].
    #[arg(long, env = "APA_CACHE_DIR", value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Folder of further public keys (*.pub) that system packages may be signed with.
    #[arg(long, env = "APA_KEYS", value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
    /// Registry to use for an ecosystem, such as npm=URL [default: the one its client is set to use].
    #[arg(long, env = "APA_REGISTRY", value_name = "ECOSYSTEM=URL", value_delimiter = ',', value_parser = registry)]
    pub(crate) registry: Vec<(Ecosystem, String)>,
}

/// A time, or the end of a day (UTC).
fn time(text: &str) -> Result<jiff::Timestamp, String> {
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        let end = day.at(23, 59, 59, 999_999_999);
        Some(end.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(day).ok_or_else(|| {
        "write a day (2026-05-01) or a time with its zone (2026-05-01T12:00:00Z)".to_owned()
    })
}

fn registry(text: &str) -> Result<(Ecosystem, String), String> {
    let (ecosystem, url) = text
        .split_once('=')
        .ok_or("write ECOSYSTEM=URL, such as npm=http://127.0.0.1:4873/")?;
    let ecosystem = ecosystem
        .parse()
        .map_err(|error: PackageRefError| error.to_string())?;
    Ok((ecosystem, url.to_owned()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    /// One line of JSON a target; with --static-only.
    Ndjson,
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FailOn {
    Suspicious,
    Malicious,
}

impl From<FailOn> for VerdictLabel {
    fn from(level: FailOn) -> Self {
        match level {
            FailOn::Suspicious => Self::Suspicious,
            FailOn::Malicious => Self::Malicious,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PersonaArg {
    Developer,
    Ci,
}

impl From<PersonaArg> for Persona {
    fn from(persona: PersonaArg) -> Self {
        match persona {
            PersonaArg::Developer => Self::Developer,
            PersonaArg::Ci => Self::Ci,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkArg {
    /// Services answer as the real ones would.
    Realistic,
    /// Everything is accepted, nothing is said.
    Sinkhole,
    /// No name exists.
    Nxdomain,
    /// Names resolve, connections are reset.
    DeadC2,
    /// As realistic, after long waits.
    Slow,
    /// As INetSim answers.
    CompatInetsim,
    /// As FakeNet-NG answers.
    CompatFakenet,
}

impl From<NetworkArg> for NetworkMode {
    fn from(network: NetworkArg) -> Self {
        match network {
            NetworkArg::Realistic => Self::Realistic,
            NetworkArg::Sinkhole => Self::Sinkhole,
            NetworkArg::Nxdomain => Self::Nxdomain,
            NetworkArg::DeadC2 => Self::DeadC2,
            NetworkArg::Slow => Self::Slow,
            NetworkArg::CompatInetsim => Self::CompatInetsim,
            NetworkArg::CompatFakenet => Self::CompatFakenet,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Syscalls {
    Interesting,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Artifacts {
    All,
    Chosen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScanFormat {
    Text,
    Json,
    /// A line a package, as soon as it is done.
    Ndjson,
}

/// `json=report.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output<F = Format> {
    pub(crate) format: F,
    pub(crate) path: PathBuf,
}

impl<F: ValueEnum> FromStr for Output<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, path) = text
            .split_once('=')
            .filter(|(_, path)| !path.is_empty())
            .ok_or("write FORMAT=PATH, for one json=report.json")?;
        let format = F::from_str(format, false).map_err(|_| {
            let names = F::value_variants().iter().filter_map(F::to_possible_value);
            let names: Vec<String> = names.map(|name| name.get_name().to_owned()).collect();
            format!("the format is one of {}", names.join(", "))
        })?;
        Ok(Self {
            format,
            path: path.into(),
        })
    }
}
