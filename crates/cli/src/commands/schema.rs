use apa_model::ExitCode;

use super::Failure;
use crate::args::{Document, Schema};
use crate::output;

pub(crate) fn run(args: &Schema) -> Result<ExitCode, Failure> {
    let schema = match args.document {
        Document::Report => apa_model::report::json_schema(),
        Document::Scan => apa_model::scan::json_schema(),
    };
    let schema = serde_json::to_string_pretty(&schema).map_err(Failure::infrastructure)?;
    output::print(&format!("{schema}\n")).map_err(Failure::infrastructure)?;
    Ok(ExitCode::Clean)
}
