//! The report as one page: the verdict and its reasons first, then everything they rest on.
//!
//! The page loads nothing and has no script; its content security policy allows only its own style sheet.
//! Text is escaped by the template macro, and what a package chose stands in a `bdi` besides (see `cells`).

mod behaviour;
mod cells;
mod findings;
mod header;
mod network;
mod processes;
mod run;
mod timeline;

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use apa_model::report::Report;

use crate::{text, view::View};
use cells::Anchors;

const STYLE: &str = include_str!("style.css");

/// A part of the page that the navigation names.
struct Section {
    id: &'static str,
    title: &'static str,
    /// How many things it has, where that says something.
    count: Option<usize>,
    body: Markup,
}

pub(crate) fn render(report: &Report) -> String {
    let view = View::new(report);
    let mut anchors = Anchors::default();
    // What evidence points at comes first, so that findings link only to what the page holds.
    let network = network::section(&view, &mut anchors);
    let canaries = behaviour::canaries(&view, &mut anchors);
    let dropped = behaviour::dropped(&view, &mut anchors);
    let findings = findings::section(&view, &mut anchors);
    let sections: Vec<Section> = [
        findings,
        run::phases(&view),
        processes::section(&view),
        network,
        behaviour::files(&view),
        dropped,
        canaries,
        behaviour::capabilities(&view),
        behaviour::runtime_code(&view),
        behaviour::anomalies(&view),
        run::syscalls(&view),
        run::facts(&view),
        run::sandbox(&view),
    ]
    .into_iter()
    .flatten()
    .collect();
    page(&view, &anchors, &sections).into_string()
}

fn page(view: &View, anchors: &Anchors, sections: &[Section]) -> Markup {
    let report = view.report;
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE))
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (report.verdict.label) ": " (text::safe(&cut(&report.package.purl, 200))) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the findings" }
                (header::header(view, anchors))
                nav aria-label="Sections" {
                    div.top {
                        ul {
                            @for section in sections {
                                li { a href={ "#" (section.id) } { (section.title) } }
                            }
                        }
                    }
                }
                main id="main" {
                    (header::gaps(view))
                    @for section in sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } {
                                (section.title)
                                @if let Some(count) = section.count {
                                    " " span.n { (text::number(count as u64)) }
                                }
                            }
                            (section.body)
                        }
                    }
                    (header::footer(view))
                }
            }
        }
    }
}

/// At most `max` characters of a string of our own.
fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
