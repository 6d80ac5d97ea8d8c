use maud::{Markup, html};

use apa_model::report::ProcessRecord;

use super::{
    Section,
    cells::{LIST_BYTES, artifact, bounded, code, cut_note, owner},
    timeline,
};
use crate::{
    text,
    view::{Branch, Row, Rows, Tree, View},
};

const ROWS: usize = 600;
/// Up to so many processes, those without package code are shown too.
const WHOLE: usize = 250;

pub(super) fn section(view: &View) -> Option<Section> {
    let records = &view.report.processes;
    if records.is_empty() {
        return None;
    }
    let tree = Tree::new(records);
    let drawn = tree.rows(records.len() > WHOLE, ROWS);
    Some(Section {
        id: "processes",
        title: "Processes",
        count: Some(records.len()),
        body: html! {
            (timeline::chart(view, &tree))
            h3 { "Process tree" }
            (table(view, &drawn))
        },
    })
}

fn table(view: &View, drawn: &Rows) -> Markup {
    let mut shown = 0;
    let list = bounded(&drawn.rows, ROWS, LIST_BYTES, |row| {
        shown += row.processes();
        self::row(view, row)
    });
    html! {
        div.scroll tabindex="0" role="group" aria-label="Process tree table" {
            table {
                caption { "Times count from the start of the artifact's run." }
                thead {
                    tr {
                        th scope="col" { "Command" }
                        th scope="col" { "Whose" }
                        th scope="col" { "Program" }
                        th.num scope="col" { "Started" }
                        th.num scope="col" { "Ran for" }
                        th scope="col" { "End" }
                    }
                }
                tbody { (list.html) }
            }
        }
        (cut_note(shown, view.report.processes.len(), "processes"))
    }
}

fn row(view: &View, row: &Row) -> Markup {
    html! {
        @match row {
            Row::Phase { artifact: of, phase } => {
                tr.group { th scope="colgroup" colspan="6" { (phase) (artifact(view, of)) } }
            }
            Row::Manager { count, branch } => {
                tr {
                    td.tree colspan="6" {
                        (guides(branch))
                        span.soft { (text::count(*count, "process", "processes")) " without package code" }
                    }
                }
            }
            Row::Process { record, times, branch } => (process(record, *times, branch)),
        }
    }
}

fn process(record: &ProcessRecord, times: usize, branch: &Branch) -> Markup {
    let process = &record.process;
    let ran = process
        .ended_us
        .map(|end| text::millis(end.saturating_sub(process.started_us) / 1000));
    html! {
        tr {
            td.tree {
                div.node {
                    (guides(branch))
                    span {
                        bdi { (text::command_line(&process.argv, 400)) }
                        @if times > 1 { " " strong { "×" (text::number(times as u64)) } }
                        " " span.soft { "#" (process.id.0) }
                    }
                }
            }
            td {
                (owner(&process.owner))
                @if let Some(hook) = &process.hook { " " span.badge { (text::shown(hook, 30)) } }
                @if process.toolchain { " " span.badge { "build tool" } }
            }
            td title={ "working folder " (text::shown(&process.cwd, 200)) } { (code(&process.exe, 200)) }
            td.num { (text::moment(process.started_us)) }
            td.num { @if let Some(ran) = ran { (ran) } @else { "–" } }
            td { (text::exit(process.exit)) }
        }
    }
}

fn guides(branch: &Branch) -> Markup {
    html! { span.g aria-hidden="true" { (branch.lines()) } }
}
