//! What reaches standard output and standard error. Nothing else in this crate writes to either.

use std::io::{self, IsTerminal, Write};

use apa_model::Hostile;
use apa_model::report::Report;
use apa_report::Style;

use crate::args::Format;
use crate::config;

/// A report as text of the asked format.
pub(crate) fn render(report: &Report, format: Format, style: &Style) -> String {
    match format {
        Format::Text => apa_report::terminal(report, style),
        Format::Json => apa_report::json(report),
        Format::Ndjson => apa_report::json_line(&serde_json::json!(report)),
        Format::Html => apa_report::html(report),
    }
}

/// How standard output wants its text.
pub(crate) fn style() -> Style {
    Style {
        color: io::stdout().is_terminal() && !config::no_color(),
        width: config::columns(),
        unicode: config::utf8(),
    }
}

/// How a file wants its text.
pub(crate) fn plain_style() -> Style {
    Style {
        color: false,
        width: 100,
        unicode: true,
    }
}

/// Writes to standard output. A reader that went away is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// A line on standard error.
pub(crate) fn note(text: &str) {
    // There is nowhere left to say that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Why there is no report: the error, escaped, with its causes.
pub(crate) fn failure(error: &anyhow::Error) {
    let text = format!("{error:#}");
    note(&format!("error: {}", Hostile::from(text)));
}
