//! `apa scan`: every package of lock files and SBOMs, each once.

mod changed;
mod lists;
mod locked;
mod show;
mod work;

use std::time::Instant;

use apa_engine::Engine;
use apa_lockfile::Merged;
use apa_model::scan::{Scan as Outcome, ScanStatus};
use apa_model::{ExitCode, Hostile};

use super::Failure;
use super::work as shared;
use crate::args::{Scan, ScanFormat};
use crate::config::File;
use crate::output;
use show::Counter;

pub(crate) fn run(args: &Scan) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let lists = lists::read(&args.lists)?;
    let before = match &args.changed_since {
        Some(since) => Some(changed::before(&lists, since)?),
        None => None,
    };
    let mut result = Outcome::new(shared::now());
    result.sources = lists.iter().map(|list| list.source.clone()).collect();
    let merged = lists::merge(lists);
    result.packages = merged.iter().map(work::listed).collect();
    if let Some(before) = before {
        changed::mark(&merged, &before, &mut result.packages);
    }
    let counter = Counter::start(&result.packages, args.format);
    if result
        .packages
        .iter()
        .any(|one| one.status == ScanStatus::Interrupted)
    {
        analyse(args, &merged, &mut result, &counter)?;
    }
    drop(counter);
    finish(&mut result, started);
    for wanted in &args.output {
        shared::write(
            &wanted.path,
            show::render(&result, wanted.format, &output::plain_style()),
        )?;
    }
    if args.format != ScanFormat::Ndjson {
        output::print(&show::render(&result, args.format, &output::style()))
            .map_err(Failure::infrastructure)?;
    }
    Ok(shared::from_number(result.exit_code))
}

fn analyse(
    args: &Scan,
    merged: &[Merged],
    result: &mut Outcome,
    counter: &Counter,
) -> Result<(), Failure> {
    let file = File::here().map_err(Failure::usage)?;
    let config = file.engine(&args.places).map_err(Failure::usage)?;
    shared::block_on(async {
        let engine = Engine::open(config)?;
        let work = work::Work::new(&engine, args, &file);
        tokio::select! {
            () = work.all(merged, &mut result.packages, counter) => {}
            () = shared::interrupted() => {
                output::note("apa: interrupted; what is done is kept, and the same command goes on from there");
            }
        }
        Ok(())
    })
}

/// The totals.
fn finish(result: &mut Outcome, started: Instant) {
    let mut worst = ExitCode::Clean;
    for package in &result.packages {
        let count = result
            .counts
            .entry(package.status.as_str().to_owned())
            .or_default();
        *count += 1;
        worst = shared::worse(worst, shared::from_number(package.exit_code));
    }
    if result.sources.iter().any(|source| !source.gaps.is_empty()) {
        worst = shared::worse(worst, ExitCode::Incomplete);
    }
    if result.packages.is_empty() {
        output::note("apa: the lists name no package");
    }
    result.exit_code = worst.into();
    result.complete = worst == ExitCode::Clean || is_whole(result);
    result.wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
}

/// Whether everything was seen, whatever was found.
fn is_whole(result: &Outcome) -> bool {
    let seen = |status| {
        matches!(
            status,
            ScanStatus::Analysed | ScanStatus::Known | ScanStatus::Covered | ScanStatus::Unchanged
        )
    };
    result.sources.iter().all(|source| source.gaps.is_empty())
        && result.packages.iter().all(|package| {
            seen(package.status)
                && package.verdict != Some(apa_model::VerdictLabel::Incomplete)
                && package.locked_file != Some(false)
        })
}

/// For messages: a path as the user may see it.
fn shown(path: &std::path::Path) -> Hostile {
    use std::os::unix::ffi::OsStrExt as _;
    Hostile::from(path.as_os_str().as_bytes())
}
