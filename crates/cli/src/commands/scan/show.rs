//! Progress and results of a scan.

use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::time::Duration;

use apa_model::scan::{Scan, ScanStatus, ScannedPackage};
use apa_report::Style;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::ScanFormat;
use crate::output;

pub(super) fn render(result: &Scan, format: ScanFormat, style: &Style) -> String {
    match format {
        ScanFormat::Text => apa_report::scan_terminal(result, style),
        ScanFormat::Json => apa_report::scan_json(result),
        ScanFormat::Ndjson => result.packages.iter().map(apa_report::scan_line).collect(),
    }
}

/// Counts what is done: a bar on a terminal, a line a package otherwise. Prints lines of JSON when those are wanted.
pub(super) struct Counter {
    bar: Option<ProgressBar>,
    all: usize,
    lines: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: usize,
    running: Vec<String>,
    /// Which packages were printed as lines.
    printed: Vec<bool>,
    rest: Vec<ScannedPackage>,
}

impl Counter {
    /// `packages` are those of the scan, of which the ones to be analysed still count as interrupted.
    pub(super) fn start(packages: &[ScannedPackage], format: ScanFormat) -> Self {
        let all = packages
            .iter()
            .filter(|one| one.status == ScanStatus::Interrupted)
            .count();
        let lines = format == ScanFormat::Ndjson;
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(all as u64);
            let style =
                ProgressStyle::with_template("{elapsed:>5} [{bar:30}] {pos}/{len} {wide_msg}");
            bar.set_style(
                style
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            );
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let mut state = State::default();
        if lines {
            state.printed = vec![false; packages.len()];
            state.rest = packages.to_vec();
        }
        Self {
            bar,
            all,
            lines,
            state: Mutex::new(state),
        }
    }

    pub(super) fn begin(&self, package: &ScannedPackage) {
        let mut state = self.state();
        state.running.push(package.name.to_string());
        self.show(&state);
    }

    /// The package at `at` of the scan is done.
    pub(super) fn end(&self, at: usize, package: &ScannedPackage) {
        let mut state = self.state();
        state.done += 1;
        let name = package.name.to_string();
        if let Some(found) = state.running.iter().position(|one| *one == name) {
            state.running.remove(found);
        }
        let what = match package.verdict {
            Some(verdict) => format!(
                "{verdict} ({:.1} s)",
                Duration::from_millis(package.wall_ms).as_secs_f64()
            ),
            None => package.status.as_str().replace('_', " "),
        };
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                if package.exit_code != 0 {
                    bar.println(format!("  {name}: {what}"));
                }
            }
            None => output::note(&format!(
                "apa: {} of {}: {name}: {what}",
                state.done, self.all
            )),
        }
        if self.lines {
            state.printed[at] = true;
            print(package);
        }
        self.show(&state);
    }

    fn show(&self, state: &State) {
        if let Some(bar) = &self.bar {
            bar.set_message(state.running.join(", "));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere leaves counts that can still be shown.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn print(package: &ScannedPackage) {
    if let Err(error) = output::print(&apa_report::scan_line(package)) {
        output::note(&format!("apa: cannot write to standard output: {error}"));
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        // What was never begun, or is not to be analysed, has its line as well.
        let state = self.state();
        for (package, printed) in state.rest.iter().zip(&state.printed) {
            if !printed {
                print(package);
            }
        }
    }
}
