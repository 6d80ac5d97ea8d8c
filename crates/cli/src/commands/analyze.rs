use std::fs;
use std::time::Duration;

use anyhow::Context;
use apa_engine::{Analysis, Engine, Request, Selection, Target};
use apa_model::report::Report;
use apa_model::{ExitCode, Hostile, Limits, Profile, VerdictLabel};

use super::Failure;
use crate::args::{Analyze, Artifacts, Format, Syscalls};
use crate::config::File;
use crate::output;
use crate::progress::Display;

pub(crate) fn run(args: &Analyze) -> Result<ExitCode, Failure> {
    // Before anything is fetched: a wrong target on the line stops them all.
    let targets = args
        .targets
        .iter()
        .map(|text| Target::parse(text))
        .collect::<Result<Vec<_>, _>>();
    let targets = targets.map_err(apa_engine::EngineError::from)?;
    let file = File::here().map_err(Failure::usage)?;
    let config = file.engine(&args.places).map_err(Failure::usage)?;
    // The crypto provider is chosen once; a second choice would only repeat it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::infrastructure)?;
    let outcome = runtime.block_on(async {
        let engine = Engine::open(config)?;
        let mut worst = ExitCode::Clean;
        for target in targets {
            let code = match analyze(&engine, args, &file, target).await {
                Ok(code) => code,
                // With several targets, one that comes to nothing must not hide the others.
                Err(failure) if args.targets.len() > 1 => {
                    output::failure(&failure.error);
                    failure.code
                }
                Err(failure) => return Err(failure),
            };
            worst = worse(worst, code);
        }
        Ok(worst)
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn analyze(
    engine: &Engine,
    args: &Analyze,
    file: &File,
    target: Target,
) -> Result<ExitCode, Failure> {
    let request = request(args, file, target);
    let display = Display::start();
    let analysis = tokio::select! {
        analysis = engine.analyze(&request, display.observer()) => analysis?,
        () = interrupted() => {
            drop(display);
            return Err(Failure::infrastructure(anyhow::anyhow!("interrupted; the sandbox was ended and nothing was judged")));
        }
    };
    drop(display);
    keep(&analysis)?;
    for wanted in &args.output {
        let text = output::render(&analysis.report, wanted.format, &output::plain_style());
        fs::write(&wanted.path, text)
            .with_context(|| {
                format!(
                    "cannot write {}; give another path with -o",
                    wanted.path.display()
                )
            })
            .map_err(Failure::infrastructure)?;
    }
    output::print(&output::render(
        &analysis.report,
        args.format,
        &output::style(),
    ))
    .map_err(Failure::infrastructure)?;
    let folder = analysis.run.folder().display();
    output::note(&format!(
        "apa: report kept in {folder} (report.html, report.json)"
    ));
    Ok(code_of(&analysis.report))
}

fn request(args: &Analyze, file: &File, target: Target) -> Request {
    let mut limits = Limits::default();
    if let Some(seconds) = args.time_limit {
        limits.total_ms = seconds * 1000;
    }
    Request {
        target,
        profile: Profile {
            persona: args
                .persona
                .map(Into::into)
                .or(file.persona)
                .unwrap_or_default(),
            network: args
                .network
                .map(Into::into)
                .or(file.network)
                .unwrap_or_default(),
            limits,
            all_syscalls: args.syscalls == Syscalls::All,
            offline: args.offline.or(file.offline).unwrap_or(false),
            ..Profile::default()
        },
        selection: match args.artifacts {
            Artifacts::All => Selection::All,
            Artifacts::Chosen => Selection::Chosen,
        },
        fail_on: args
            .fail_on
            .or(file.fail_on)
            .map_or(VerdictLabel::Suspicious, Into::into),
    }
}

fn keep(analysis: &Analysis) -> Result<(), Failure> {
    for (name, format) in [("report.json", Format::Json), ("report.html", Format::Html)] {
        let text = output::render(&analysis.report, format, &output::plain_style());
        analysis
            .run
            .write(name, text.as_bytes())
            .map_err(Failure::infrastructure)?;
    }
    Ok(())
}

async fn interrupted() {
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

fn code_of(report: &Report) -> ExitCode {
    match report.exit_code {
        0 => ExitCode::Clean,
        1 => ExitCode::Findings,
        _ => ExitCode::Incomplete,
    }
}

/// Of several targets' codes: findings first, then what kept a target from being seen.
fn worse(a: ExitCode, b: ExitCode) -> ExitCode {
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
