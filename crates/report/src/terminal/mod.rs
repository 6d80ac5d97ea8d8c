//! The report for a person at a terminal: what it is, why, then what was seen.

mod behaviour;
mod judgement;
pub(crate) mod scan;
mod screen;
mod tree;

use apa_model::report::Report;

use crate::{Style, view::View};
use screen::Screen;

pub(crate) fn render(report: &Report, style: &Style) -> String {
    let view = View::new(report);
    let mut screen = Screen::new(style);
    judgement::verdict(&mut screen, &view);
    judgement::why(&mut screen, &view);
    judgement::incomplete(&mut screen, &view);
    judgement::phases(&mut screen, &view);
    tree::processes(&mut screen, &view);
    behaviour::network(&mut screen, &view);
    behaviour::files(&mut screen, &view);
    behaviour::dropped(&mut screen, &view);
    behaviour::canaries(&mut screen, &view);
    behaviour::runtime_code(&mut screen, &view);
    behaviour::anomalies(&mut screen, &view);
    behaviour::capabilities(&mut screen, &view);
    judgement::sandbox(&mut screen, &view);
    screen.finish()
}
