use apa_model::{Owner, ProcessExit, report::ProcessRecord};

use super::screen::{Paint, Screen, Span, dim};
use crate::{
    text,
    view::{Branch, Row, Tree, View},
};

const ROWS: usize = 40;

pub(super) fn processes(screen: &mut Screen, view: &View) {
    let records = &view.report.processes;
    if records.is_empty() {
        return;
    }
    let own = view.package_processes();
    let note = format!(
        "{}, {} of package code",
        text::count(records.len(), "process", "processes"),
        text::number(own as u64)
    );
    screen.heading("Processes", note);
    let drawn = Tree::new(records).rows(true, ROWS);
    for row in &drawn.rows {
        match row {
            Row::Phase { artifact, phase } => {
                let label = view
                    .label(artifact)
                    .map_or_else(String::new, |label| format!(" ({label})"));
                screen.line(2, &[Span::new(format!("{phase}{label}"), Paint::Name)]);
            }
            Row::Manager { count, branch } => {
                let note = text::count(*count, "process", "processes");
                screen.line(
                    2,
                    &[
                        dim(branch.lines()),
                        dim(format!("{note} without package code")),
                    ],
                );
            }
            Row::Process {
                record,
                times,
                branch,
            } => process(screen, record, *times, branch),
        }
    }
    screen.more(2, drawn.hidden);
}

fn process(screen: &mut Screen, record: &ProcessRecord, times: usize, branch: &Branch) {
    let process = &record.process;
    let command = if process.argv.is_empty() {
        text::shown(&process.exe, 160)
    } else {
        text::command_line(&process.argv, 160)
    };
    let paint = if process.owner.is_package_code() {
        Paint::Plain
    } else {
        Paint::Dim
    };
    let owner = match &process.owner {
        Owner::Dependency(name) => format!("dependency {}", text::shown(name, 60)),
        owner => owner.to_string(),
    };
    let mut notes = vec![owner];
    notes.extend(
        process
            .hook
            .iter()
            .map(|hook| hook.shortened(30).to_string()),
    );
    if process.toolchain {
        notes.push("build tool".to_owned());
    }
    if times > 1 {
        notes.push(format!("×{}", text::number(times as u64)));
    }
    if process.exit != Some(ProcessExit::Status(0)) {
        notes.push(text::exit(process.exit));
    }
    // The notes come first: a long command line must not push them off the screen.
    screen.line(
        2,
        &[
            dim(branch.lines()),
            dim(format!("[{}] ", notes.join(", "))),
            Span::new(command, paint),
        ],
    );
}
