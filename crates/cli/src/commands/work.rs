//! What `analyze` and `scan` share.

use std::future::Future;
use std::time::Duration;

use apa_engine::{Analysis, Engine, Request, Selection, Target};
use apa_model::report::Report;
use apa_model::{ExitCode, Hostile, Limits, Profile, VerdictLabel};

use super::Failure;
use crate::args::{Artifacts, Format, How, Syscalls};
use crate::config::File;
use crate::output;

/// Runs a command that needs the network and the sandbox to its end.
pub(super) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // The crypto provider is chosen once; a second choice would only repeat it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::infrastructure)?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Writes a result to a file that the user named.
pub(super) fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        let hint = "give another path with -o";
        Failure::infrastructure(anyhow::anyhow!(
            "cannot write {}: {error}; {hint}",
            path.display()
        ))
    })
}

/// What the flags, the environment and `apa.toml` make of a target.
pub(super) fn request(how: &How, file: &File, target: Target) -> Request {
    let mut limits = Limits::default();
    if let Some(seconds) = how.time_limit {
        limits.total_ms = seconds * 1000;
    }
    Request {
        target,
        profile: Profile {
            persona: how
                .persona
                .map(Into::into)
                .or(file.persona)
                .unwrap_or_default(),
            network: how
                .network
                .map(Into::into)
                .or(file.network)
                .unwrap_or_default(),
            image: how.image.clone().or_else(|| file.image.clone()),
            limits,
            all_syscalls: how.syscalls == Syscalls::All,
            offline: how.offline.or(file.offline).unwrap_or(false),
            as_of: how.as_of.map(|time| time.to_string()),
            ..Profile::default()
        },
        selection: match how.artifacts {
            Artifacts::All => Selection::All,
            Artifacts::Chosen => Selection::Chosen,
        },
        fail_on: how
            .fail_on
            .or(file.fail_on)
            .map_or(VerdictLabel::Suspicious, Into::into),
        reuse: None,
    }
}

/// Writes the reports of an analysis into its folder, after which it can be found again.
pub(super) fn keep(engine: &Engine, analysis: &Analysis) -> Result<(), Failure> {
    for (name, format) in [("report.json", Format::Json), ("report.html", Format::Html)] {
        let text = output::render(&analysis.report, format, &output::plain_style());
        analysis
            .run
            .write(name, text.as_bytes())
            .map_err(Failure::infrastructure)?;
    }
    engine.remember(analysis)?;
    Ok(())
}

/// Ends when the process is asked to end.
pub(super) async fn interrupted() {
    let mut terminate =
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(_) => return std::future::pending().await,
        };
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => {
            if let Err(error) = result {
                output::note(&format!("apa: cannot wait for interrupts: {}", Hostile::from(error.to_string())));
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What a report says the process ends with.
pub(super) fn code_of(report: &Report) -> ExitCode {
    from_number(report.exit_code)
}

/// Of several targets' codes: findings first, then what kept a target from being seen.
pub(super) fn worse(a: ExitCode, b: ExitCode) -> ExitCode {
    let rank = |code| match code {
        ExitCode::Clean => 0,
        ExitCode::Unsupported => 1,
        ExitCode::Usage => 2,
        ExitCode::Incomplete => 3,
        ExitCode::Refused => 4,
        ExitCode::Findings => 5,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// The code that a result repeats as a number.
pub(super) fn from_number(code: u8) -> ExitCode {
    let all = [
        ExitCode::Clean,
        ExitCode::Findings,
        ExitCode::Usage,
        ExitCode::Incomplete,
        ExitCode::Unsupported,
        ExitCode::Refused,
    ];
    let found = all.into_iter().find(|one| u8::from(*one) == code);
    found.unwrap_or(ExitCode::Incomplete)
}

/// The time, as reports write it.
pub(super) fn now() -> String {
    jiff::Timestamp::now().to_string()
}
