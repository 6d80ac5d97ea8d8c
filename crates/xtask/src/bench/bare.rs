//! The bare package manager: install from a warm cache into a new folder, then import.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use apa_model::{ArtifactKind, Ecosystem, PackageRef, report::Report};

use super::clock::{is_there, time};

const IMPORT: &str = include_str!("import.py");

/// One install and import, as the user who runs the bench would do it.
pub(super) struct Bare {
    package: PackageRef,
    kind: ArtifactKind,
}

/// One for every artifact that the analysis ran.
pub(super) fn installs(package: &PackageRef, report: &Report) -> anyhow::Result<Vec<Bare>> {
    let manager = super::manager(package.ecosystem)?;
    ensure!(is_there(manager), "{manager} is not installed");
    ensure!(
        !report.artifacts.is_empty(),
        "{package}: the analysis ran no artifact"
    );
    let installs = report.artifacts.iter().map(|artifact| Bare {
        package: package.clone(),
        kind: artifact.kind,
    });
    Ok(installs.collect())
}

impl Bare {
    /// Seconds for install and import together. With `strace_log`, under `strace -f`.
    pub(super) fn run(&self, timeout: Duration, strace_log: Option<&Path>) -> anyhow::Result<f64> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        self.prepare(folder.path(), timeout)?;
        let mut seconds = 0.0;
        for argv in self.commands(folder.path())? {
            let mut command = command(&argv, strace_log);
            command
                .current_dir(folder.path())
                // From npm 12 on, install scripts run only when asked for; the analysis runs them.
                .env("npm_config_dangerously_allow_all_scripts", "true");
            let run = time(&mut command, timeout)?;
            if run.status != Some(0) {
                bail!("{command:?} ended with {}", run.failure());
            }
            seconds += run.seconds;
        }
        Ok(seconds)
    }

    /// What is not part of the time.
    fn prepare(&self, folder: &Path, timeout: Duration) -> anyhow::Result<()> {
        if self.package.ecosystem == Ecosystem::Npm {
            std::fs::write(
                folder.join("package.json"),
                r#"{"name":"bench","version":"1.0.0","private":true}"#,
            )?;
        }
        if self.kind == ArtifactKind::Sdist {
            // Else pip takes the wheel that it built the last time and runs no setup code.
            let mut remove = Command::new("python3");
            remove.args(["-m", "pip", "cache", "remove", &self.package.name]);
            time(&mut remove, timeout)?;
        }
        Ok(())
    }

    fn commands(&self, folder: &Path) -> anyhow::Result<[Vec<String>; 2]> {
        let name = &self.package.name;
        let version = self.package.version.as_deref().unwrap_or_default();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(match self.package.ecosystem {
            Ecosystem::Npm => [
                words(&[
                    "npm",
                    "install",
                    "--prefer-offline",
                    "--no-audit",
                    "--no-fund",
                    &format!("{name}@{version}"),
                ]),
                words(&[
                    "node",
                    "--input-type=module",
                    "-e",
                    "await import(process.argv[1])",
                    name,
                ]),
            ],
            Ecosystem::Pypi => {
                let target = folder.join("site");
                let target = target.to_string_lossy();
                let only = match self.kind {
                    ArtifactKind::Sdist => format!("--no-binary={name}"),
                    _ => format!("--only-binary={name}"),
                };
                [
                    words(&[
                        "python3",
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--no-input",
                        "--no-compile",
                        "--disable-pip-version-check",
                        &only,
                        "--target",
                        &target,
                        &format!("{name}=={version}"),
                    ]),
                    words(&["python3", "-c", IMPORT, name, &target]),
                ]
            }
            other => bail!("how {other} packages are installed without apa is not known here"),
        })
    }
}

fn command(argv: &[String], strace_log: Option<&Path>) -> Command {
    match strace_log {
        Some(log) => {
            let mut command = Command::new("strace");
            command
                .args(["-f", "-qq", "-o"])
                .arg(log)
                .arg("--")
                .args(argv);
            command
        }
        None => {
            let mut command = Command::new(&argv[0]);
            command.args(&argv[1..]);
            command
        }
    }
}
