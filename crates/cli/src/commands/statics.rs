//! `apa analyze --static-only`: reads package files, many at once, and prints one answer each, in order.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::Context;
use apa_engine::{EngineError, Reading};
use apa_model::{ExitCode, Hostile, VerdictLabel};
use serde_json::{Value, json};

use super::Failure;
use super::work::worse;
use crate::args::{Analyze, FailOn, Format};
use crate::config::File;
use crate::output;

/// Most files of one list.
const MAX_FILES: usize = 1_000_000;

pub(crate) fn run(args: &Analyze) -> Result<ExitCode, Failure> {
    let file = File::here().map_err(Failure::usage)?;
    if matches!(args.format, Format::Html) || !args.output.is_empty() {
        let error = "--static-only prints text, json or ndjson and writes no further files";
        return Err(Failure::usage(anyhow::anyhow!(error)));
    }
    let paths = targets(args)?;
    if paths.is_empty() {
        return Err(Failure {
            error: anyhow::anyhow!("the list names no files"),
            code: ExitCode::Unsupported,
        });
    }
    let fail_on = args
        .how
        .fail_on
        .or(file.fail_on)
        .unwrap_or(FailOn::Suspicious)
        .into();
    let mut worst = ExitCode::Clean;
    let mut broken = None;
    read_all(&paths, args.jobs, |path, outcome| {
        worst = worse(worst, code(outcome, fail_on));
        let text = match args.format {
            Format::Ndjson => apa_report::json_line(&line(path, outcome)),
            Format::Json => apa_report::json_value(&line(path, outcome)),
            _ => words(path, outcome),
        };
        if let Err(error) = output::print(&text) {
            broken = Some(error);
        }
        broken.is_none()
    });
    match broken {
        Some(error) => Err(Failure::infrastructure(error)),
        None => Ok(worst),
    }
}

fn targets(args: &Analyze) -> Result<Vec<PathBuf>, Failure> {
    let mut paths: Vec<PathBuf> = args.targets.iter().map(PathBuf::from).collect();
    let Some(list) = &args.from else {
        return Ok(paths);
    };
    let unreadable = || format!("cannot read the list {}", list.display());
    let lines: Vec<String> = if list.as_os_str() == "-" {
        let lines = io::stdin().lock().lines().take(MAX_FILES);
        lines
            .collect::<Result<_, _>>()
            .with_context(unreadable)
            .map_err(Failure::usage)?
    } else {
        let text = fs::read_to_string(list)
            .with_context(unreadable)
            .map_err(Failure::usage)?;
        text.lines().take(MAX_FILES).map(str::to_owned).collect()
    };
    let named = lines.iter().map(|line| line.trim());
    paths.extend(
        named
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(PathBuf::from),
    );
    Ok(paths)
}

/// Reads all files with several threads and hands the outcomes to `each` in the order of `paths`, until it
/// says no.
pub(super) fn read_all(
    paths: &[PathBuf],
    jobs: Option<u16>,
    mut each: impl FnMut(&Path, &Result<Reading, EngineError>) -> bool,
) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.map_or(processors, usize::from).min(paths.len().max(1));
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::sync_channel(jobs * 2);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                while let Some((at, path)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    paths.get(at).map(|path| (at, path))
                } {
                    // The receiver is gone once nobody wants more.
                    if send.send((at, apa_engine::read_only(path))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        for (at, outcome) in receive {
            waiting.insert(at, outcome);
            while let Some(outcome) = waiting.remove(&due) {
                if !each(&paths[due], &outcome) {
                    return;
                }
                due += 1;
            }
        }
    });
}

fn code(outcome: &Result<Reading, EngineError>, fail_on: VerdictLabel) -> ExitCode {
    match outcome {
        Ok(reading) if reading.verdict.label >= fail_on => ExitCode::Findings,
        Ok(reading) if reading.verdict.incomplete.is_empty() => ExitCode::Clean,
        Ok(_) => ExitCode::Incomplete,
        Err(error) => error.exit_code(),
    }
}

fn line(path: &Path, outcome: &Result<Reading, EngineError>) -> Value {
    let target = Hostile::from(path.to_string_lossy().as_ref());
    match outcome {
        Ok(reading) => json!({
            "target": target,
            "artifact": reading.artifact,
            "package": reading.package,
            "verdict": reading.verdict.label,
            "score": reading.verdict.score,
            "summary": reading.verdict.summary,
            "findings": reading.findings,
            "cpu_ms": milliseconds(reading),
            "complete": reading.verdict.incomplete.is_empty(),
            "incomplete": reading.verdict.incomplete,
            "coverage": reading.coverage,
        }),
        Err(error) => json!({
            "target": target,
            "verdict": VerdictLabel::Incomplete,
            "findings": [],
            "cpu_ms": 0,
            "complete": false,
            "error": Hostile::from(error.to_string()),
        }),
    }
}

pub(super) fn milliseconds(reading: &Reading) -> f64 {
    (reading.cpu.as_secs_f64() * 10_000.0).round() / 10.0
}

fn words(path: &Path, outcome: &Result<Reading, EngineError>) -> String {
    let path = Hostile::from(path.to_string_lossy().as_ref());
    let reading = match outcome {
        Ok(reading) => reading,
        Err(error) => return format!("{path}: {}\n", Hostile::from(error.to_string())),
    };
    let verdict = &reading.verdict;
    let mut out = format!(
        "{path}: {} ({}/100): {}\n",
        verdict.label, verdict.score, verdict.summary
    );
    for finding in &reading.findings {
        out.push_str(&format!(
            "  {} ({}): {}\n",
            finding.rule,
            place(finding),
            finding.explanation
        ));
    }
    out
}

fn place(finding: &apa_model::Finding) -> String {
    match finding.evidence.first() {
        Some(apa_model::Evidence::File { path, line, .. }) => match line {
            Some(line) => format!("{path}:{line}"),
            None => path.to_string(),
        },
        _ => "no place".to_owned(),
    }
}
