use apa_engine::{Engine, Request, Target};
use apa_model::ExitCode;

use super::{Failure, network, work};
use crate::args::Analyze;
use crate::config::File;
use crate::output;
use crate::progress::Display;

/// What samples are mostly packed with, so that no mail filter opens them.
const KNOWN_PASSWORD: &str = "infected";

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
    work::block_on(async {
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
            worst = work::worse(worst, code);
        }
        Ok(worst)
    })
}

async fn analyze(
    engine: &Engine,
    args: &Analyze,
    file: &File,
    target: Target,
) -> Result<ExitCode, Failure> {
    let request = Request {
        ecosystem: args.ecosystem,
        passwords: args
            .password
            .iter()
            .cloned()
            .chain([KNOWN_PASSWORD.to_owned()])
            .collect(),
        ..work::request(&args.how, file, target)
    };
    let display = Display::start();
    let analysis = tokio::select! {
        analysis = engine.analyze(&request, display.observer()) => analysis?,
        () = work::interrupted() => {
            drop(display);
            return Err(Failure::infrastructure(anyhow::anyhow!("interrupted; the sandbox was ended and nothing was judged")));
        }
    };
    drop(display);
    work::keep(engine, &analysis)?;
    for wanted in &args.output {
        let bytes = match wanted.format.part() {
            Ok(format) => {
                output::render(&analysis.report, format, &output::plain_style()).into_bytes()
            }
            Err(format) => network::of_analysis(engine, &analysis, format)?,
        };
        work::write(&wanted.path, &bytes)?;
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
    Ok(work::code_of(&analysis.report))
}
