use apa_model::ExitCode;

use super::Failure;
use crate::output;

pub(crate) fn run() -> Result<ExitCode, Failure> {
    let schema = serde_json::to_string_pretty(&apa_model::report::json_schema())
        .map_err(Failure::infrastructure)?;
    output::print(&format!("{schema}\n")).map_err(Failure::infrastructure)?;
    Ok(ExitCode::Clean)
}
