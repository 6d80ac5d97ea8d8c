//! An analysis against the bare package manager that does the same install and import.
//!
//! The ways of running are measured in turns, so that a slow moment of the machine hits all of them; the
//! ratio is the median of the ratios within a turn. Caches are filled by a first turn that does not count.

mod bare;
mod clock;
mod netsim;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use apa_model::{Ecosystem, PackageRef, Phase, report::Report};

use bare::Bare;
use clock::time;

/// Arguments of the bench.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// Packages that you trust: their code runs on this machine outside the sandbox as well.
    #[arg(default_values = ["npm:lodash", "npm:express", "npm:esbuild", "pypi:requests", "pypi:flask"])]
    packages: Vec<PackageRef>,
    /// Turns that count.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The program to measure; built from this workspace if not given.
    #[arg(long)]
    apa: Option<PathBuf>,
    /// Leave strace out even when it is there.
    #[arg(long)]
    no_strace: bool,
    /// Seconds after which a single run is stopped.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

/// What else there is to measure.
#[derive(clap::Subcommand)]
enum Other {
    /// Measure the simulated Internet under load, beside INetSim.
    Netsim(netsim::Args),
}

/// One turn's wall times, seconds.
#[derive(Clone, Copy, Debug)]
struct Turn {
    bare: f64,
    apa: f64,
    /// The phases of the analysis that the bare manager went through as well.
    same_phases: f64,
    strace: Option<f64>,
}

/// All turns of a package.
struct Measured {
    package: PackageRef,
    verdict: String,
    artifacts: usize,
    turns: Vec<Turn>,
}

/// Measures every package and prints the table.
///
/// # Errors
/// When a program is missing, or a run fails or exceeds its time.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(Other::Netsim(args)) = &args.other {
        return netsim::run(args);
    }
    let apa = match &args.apa {
        Some(path) => path.clone(),
        None => build()?,
    };
    let bench = Bench {
        apa: &apa,
        timeout: Duration::from_secs(args.timeout),
        strace: !args.no_strace && clock::is_there("strace"),
    };
    if !bench.strace {
        println!("SKIPPED: strace (not installed or not wanted)");
    }
    let mut measured = Vec::new();
    let mut failed = Vec::new();
    for package in &args.packages {
        match bench.package(package, args.runs) {
            Ok(result) => measured.push(result),
            Err(error) => {
                println!("{package}: FAILED: {error:#}");
                failed.push(package.to_string());
            }
        }
    }
    if !measured.is_empty() {
        table::print(&measured);
    }
    ensure!(failed.is_empty(), "no figures for {}", failed.join(", "));
    Ok(())
}

/// Builds the program the way users run it.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--release",
            "-p",
            "apa-cli",
            "--message-format",
            "json",
        ])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the release build failed");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "apa")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("the release build made no program called apa")
}

struct Bench<'a> {
    apa: &'a Path,
    timeout: Duration,
    strace: bool,
}

impl Bench<'_> {
    fn package(&self, package: &PackageRef, runs: u32) -> anyhow::Result<Measured> {
        println!("{package}: filling caches");
        let (_, first) = analyse(self.apa, package, false, self.timeout)?;
        let exact = exact(package, &first)?;
        let installs = bare::installs(&exact, &first)?;
        for install in &installs {
            install.run(self.timeout, None)?;
        }
        let mut turns = Vec::new();
        for turn in 1..=runs {
            let measured = self.turn(&exact, &installs)?;
            println!(
                "{exact}: turn {turn} of {runs}: bare {:.2} s, apa {:.2} s",
                measured.bare, measured.apa
            );
            turns.push(measured);
        }
        Ok(Measured {
            package: exact,
            verdict: first.verdict.label.to_string(),
            artifacts: first.artifacts.len(),
            turns,
        })
    }

    fn turn(&self, package: &PackageRef, installs: &[Bare]) -> anyhow::Result<Turn> {
        let sum = |trace: Option<&Path>| {
            installs
                .iter()
                .map(|install| install.run(self.timeout, trace))
                .sum::<anyhow::Result<f64>>()
        };
        let bare = sum(None)?;
        let (apa, report) = analyse(self.apa, package, true, self.timeout)?;
        let strace = if self.strace {
            let log = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
            Some(sum(Some(log.path()))?)
        } else {
            None
        };
        let same_phases = report
            .phases
            .iter()
            .filter(|phase| matches!(phase.name, Phase::Install | Phase::Import))
            .map(|phase| phase.wall_ms as f64 / 1000.0)
            .sum();
        Ok(Turn {
            bare,
            apa,
            same_phases,
            strace,
        })
    }
}

/// Runs the analysis; its wall time in seconds and its report.
///
/// # Errors
/// When it does not end in time, or in another way than with a report.
pub(crate) fn analyse(
    apa: &Path,
    package: &PackageRef,
    offline: bool,
    timeout: Duration,
) -> anyhow::Result<(f64, Report)> {
    let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    let mut command = Command::new(apa);
    command
        .args(["analyze", &package.to_string(), "--format", "json", "-o"])
        .arg(format!("json={}", file.path().display()));
    if offline {
        command.arg("--offline");
    }
    let run = time(&mut command, timeout)?;
    // 1 is a verdict, 3 an incomplete run: both have a report and took their time.
    if !matches!(run.status, Some(0 | 1 | 3)) {
        bail!("{command:?} ended with {}", run.failure());
    }
    let text = std::fs::read(file.path()).with_context(|| format!("{command:?} left no report"))?;
    let report = serde_json::from_slice(&text).with_context(|| {
        format!(
            "{command:?} ended with {} and no readable report",
            run.failure()
        )
    })?;
    Ok((run.seconds, report))
}

/// The version the analysis took, so that every way of running takes the same one.
fn exact(package: &PackageRef, report: &Report) -> anyhow::Result<PackageRef> {
    let version = report
        .package
        .version
        .as_ref()
        .with_context(|| format!("the report of {package} names no version"))?;
    PackageRef::new(package.ecosystem, &package.name, Some(&version.lossy()))
        .with_context(|| format!("the report of {package} names an odd version"))
}

/// The program that must be there to measure an ecosystem.
fn manager(ecosystem: Ecosystem) -> anyhow::Result<&'static str> {
    match ecosystem {
        Ecosystem::Npm => Ok("npm"),
        Ecosystem::Pypi => Ok("python3"),
        other => bail!("how {other} packages are installed without apa is not known here"),
    }
}
