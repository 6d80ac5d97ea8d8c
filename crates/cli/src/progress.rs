//! Progress on standard error: a spinner on a terminal, a line a stage otherwise.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use apa_engine::{Observer, Progress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Shows progress while it lives.
pub(crate) struct Display {
    bar: Option<ProgressBar>,
}

impl Display {
    pub(crate) fn start() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar }
    }

    pub(crate) fn observer(&self) -> Observer {
        let bar = self.bar.clone();
        Arc::new(move |progress| show(bar.as_ref(), &progress))
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn show(bar: Option<&ProgressBar>, progress: &Progress) {
    let stage = match progress {
        Progress::Resolving(package) => format!("resolving {package}"),
        Progress::Baseline(ecosystem) => {
            format!("measuring what an empty {ecosystem} package does here (once)")
        }
        Progress::Artifact(filename) => format!("running {filename}"),
        Progress::Phase {
            phase,
            status,
            wall_ms,
        } => {
            format!(
                "{phase} {status} in {:.1} s",
                Duration::from_millis(*wall_ms).as_secs_f64()
            )
        }
        Progress::Judging => "judging".to_owned(),
        Progress::Step { phase, name } => return detail(bar, format!("{phase}: {name}")),
        Progress::Entry { phase, done, of } => {
            return detail(bar, format!("{phase}: {done} of {of}"));
        }
        Progress::Totals { events, processes } => {
            return detail(bar, format!("{events} events, {processes} processes"));
        }
    };
    match bar {
        Some(bar) => bar.println(format!("  {stage}")),
        None => output::note(&format!("apa: {stage}")),
    }
}

fn detail(bar: Option<&ProgressBar>, text: String) {
    if let Some(bar) = bar {
        bar.set_message(text);
    }
}
