use apa_model::ExitCode;
use apa_store::Store;

use super::Failure;
use crate::args::Show;
use crate::config::File;
use crate::output;

pub(crate) fn run(args: &Show) -> Result<ExitCode, Failure> {
    let config = File::here()
        .and_then(|file| file.engine(&args.places))
        .map_err(Failure::usage)?;
    let store = Store::open(&config.data_dir).map_err(Failure::infrastructure)?;
    let report = store.report(&args.id).map_err(|error| match error {
        apa_store::StoreError::Unknown(_) => Failure::usage(error),
        error => Failure::infrastructure(error),
    })?;
    output::print(&output::render(&report, args.format, &output::style()))
        .map_err(Failure::infrastructure)?;
    Ok(ExitCode::Clean)
}
