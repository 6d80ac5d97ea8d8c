//! Report formats: terminal, JSON, HTML.
//!
//! Each format is a pure function of [`apa_model::report::Report`]. Two rules hold for all of them: text
//! that a package chose is escaped for the place it is shown in, and output is bounded however large the
//! report is; what was left out is counted where it was left out.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

#[cfg(test)]
#[path = "../tests/fixture/mod.rs"]
mod fixture;
mod html;
mod json;
mod terminal;
mod text;
mod view;

use apa_model::report::Report;
use apa_model::scan::{Scan, ScannedPackage};

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// SGR colour codes are understood.
    pub color: bool,
    /// Columns; less than 40 counts as 40.
    pub width: usize,
    /// Characters beyond ASCII can be shown.
    pub unicode: bool,
}

/// The report as JSON: indented, members in a fixed order, a newline at the end. Control, invisible and
/// bidirectional characters are escaped, so that it can be shown on a terminal.
pub fn json(report: &Report) -> String {
    json::render(report)
}

/// A scan as JSON, written as [`json`] writes a report.
pub fn scan_json(scan: &Scan) -> String {
    json::pretty(scan)
}

/// One package of a scan as one line of JSON.
pub fn scan_line(package: &ScannedPackage) -> String {
    json::line(package)
}

/// A scan for a person at a terminal: one table, the worst first. Bounded; what is left out is counted.
pub fn scan_terminal(scan: &Scan, style: &Style) -> String {
    terminal::scan::render(scan, style)
}

/// Any JSON on one line, escaped as [`json`].
pub fn json_line(value: &serde_json::Value) -> String {
    json::line(value)
}

/// Any JSON indented, escaped as [`json`].
pub fn json_value(value: &serde_json::Value) -> String {
    json::pretty(value)
}

/// The report as one HTML file that loads nothing, runs no script, and stays below 5 MB.
pub fn html(report: &Report) -> String {
    html::render(report)
}

/// The report for a person at a terminal: verdict, reasons, then what was seen. Ends with a newline.
/// Besides newlines and, with [`Style::color`], its own SGR codes it holds no control character.
pub fn terminal(report: &Report, style: &Style) -> String {
    terminal::render(report, style)
}
