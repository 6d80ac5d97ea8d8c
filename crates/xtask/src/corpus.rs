//! False alarms: packages that everybody uses, one after the other, and what is said about each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use apa_model::report::Report;
use apa_model::{PackageRef, VerdictLabel};

use crate::bench::{analyse, build};

/// Arguments of the corpus run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Packages, one a line; what follows a `#` is a remark.
    #[arg(default_value = "docs/benign-corpus.txt")]
    list: PathBuf,
    /// Only those whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// The program to run; built from this workspace if not given.
    #[arg(long)]
    apa: Option<PathBuf>,
    /// Seconds after which one analysis is stopped.
    #[arg(long, default_value_t = 240)]
    timeout: u64,
}

/// Analyses every package of the list and prints a table in Markdown.
///
/// # Errors
/// When a package was called suspicious or worse, or an analysis gave no report.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let apa = match &args.apa {
        Some(path) => path.clone(),
        None => build()?,
    };
    let packages = packages(&args.list)?;
    let timeout = Duration::from_secs(args.timeout);
    let mut alarms = Vec::new();
    println!("| package | verdict | findings | not seen | s |\n|---|---|---|---|--:|");
    for package in packages {
        if !package.to_string().contains(&args.only) {
            continue;
        }
        match analyse(&apa, &package, false, timeout) {
            Ok((seconds, report)) => {
                println!("{}", row(&package, seconds, &report));
                if report.verdict.label >= VerdictLabel::Suspicious {
                    alarms.push(package.to_string());
                }
            }
            Err(error) => {
                eprintln!("{package}: {error:#}");
                println!("| {package} | no report | | | |");
                alarms.push(package.to_string());
            }
        }
    }
    ensure!(alarms.is_empty(), "alarms: {}", alarms.join(", "));
    Ok(())
}

fn packages(list: &Path) -> anyhow::Result<Vec<PackageRef>> {
    let text =
        std::fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
    named(&text)
}

fn named(text: &str) -> anyhow::Result<Vec<PackageRef>> {
    text.lines()
        .filter_map(|line| line.split('#').next().map(str::trim))
        .filter(|name| !name.is_empty())
        .map(|name| {
            name.parse()
                .with_context(|| format!("{name} names no package"))
        })
        .collect()
}

fn row(package: &PackageRef, seconds: f64, report: &Report) -> String {
    let version = report.package.version.as_ref();
    let version = version.map_or_else(String::new, |version| format!("@{version}"));
    let findings: BTreeSet<String> = report
        .findings
        .iter()
        .map(|finding| {
            let severity = format!("{:?}", finding.severity).to_lowercase();
            format!("{} ({severity}, {})", finding.rule, finding.phase)
        })
        .collect();
    let mut gaps: BTreeMap<String, usize> = BTreeMap::new();
    for reason in &report.verdict.incomplete {
        let code = serde_json::to_value(reason.code).unwrap_or_default();
        let code = code.as_str().unwrap_or_default().to_owned();
        *gaps.entry(code).or_default() += 1;
    }
    let gaps: Vec<String> = gaps
        .iter()
        .map(|(code, count)| format!("{code} ×{count}"))
        .collect();
    format!(
        "| {package}{version} | {} | {} | {} | {seconds:.1} |",
        report.verdict.label,
        Vec::from_iter(findings).join(", "),
        gaps.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_list_names_packages_and_remarks_are_left_out() {
        let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benign-corpus.txt");
        assert!(packages(Path::new(list)).unwrap().len() > 90);
        let two = named("npm:a # why\n\n# none\npypi:b\n").unwrap();
        assert_eq!(two.len(), 2);
        assert!(named("a b c").is_err());
    }
}
