//! The process tree over time: a lane per phase, a bar per process. The table below it says the same.

use maud::{Markup, html};
use unicode_width::UnicodeWidthChar;

use apa_model::{Owner, Phase, report::ProcessRecord};

use crate::{
    text,
    view::{Row, Tree, View},
};

const WIDTH: u64 = 1000;
/// Where labels end and the time axis begins.
const LEFT: u64 = 340;
const RIGHT: u64 = 985;
const ROW: u64 = 19;
const TOP: u64 = 24;
const ROWS: usize = 150;
const CHARTS: usize = 6;
/// Columns of text that fit left of the axis, at 11 px.
const LABEL_COLUMNS: usize = 45;

/// One artifact's rows on one axis.
struct Chart<'a> {
    artifact: &'a str,
    rows: Vec<&'a Row<'a>>,
    end_us: u64,
}

impl Chart<'_> {
    fn x(&self, us: u64) -> u64 {
        let along = u128::from(us.min(self.end_us)) * u128::from(RIGHT - LEFT);
        LEFT + (along / u128::from(self.end_us)) as u64
    }

    fn height(&self) -> u64 {
        TOP + ROW * self.rows.len() as u64 + 6
    }
}

pub(super) fn chart(view: &View, tree: &Tree) -> Markup {
    let drawn = tree.rows(true, ROWS);
    let mut charts: Vec<Chart> = Vec::new();
    let mut hidden = 0;
    for row in &drawn.rows {
        if let Row::Phase { artifact, .. } = row
            && charts
                .last()
                .is_none_or(|chart| chart.artifact != *artifact)
        {
            charts.push(Chart {
                artifact,
                rows: Vec::new(),
                end_us: end_of(view, artifact),
            });
        }
        if charts.len() > CHARTS {
            hidden += row.processes();
        } else if let Some(chart) = charts.last_mut() {
            chart.rows.push(row);
        }
    }
    charts.truncate(CHARTS);
    let total = view.report.processes.len();
    html! {
        h3 { "Over time" }
        @for (number, chart) in charts.iter().enumerate() {
            @if let Some(label) = view.label(chart.artifact) { h4 { (super::cells::ours(label, 60)) } }
            div.scroll tabindex="0" role="group" aria-label="Chart of processes over time" {
                (svg(view, chart, number))
            }
        }
        ul.legend aria-label="Legend" {
            @for (class, mark, words) in [
                ("package", "P", "the package, filled"),
                ("dependency", "D", "a dependency, dashed"),
                ("manager", "m", "the package manager or our harness, outlined"),
            ] {
                li {
                    svg viewBox="0 0 32 16" aria-hidden="true" {
                        rect.bar.(class) x="2" y="2" width="28" height="12" rx="2" {}
                    }
                    strong { (mark) } " " (words)
                }
            }
            li { "→ still running at the end" }
        }
        (super::cells::cut_note(total - drawn.hidden - hidden, total, "processes"))
    }
}

/// The last moment any of the artifact's processes is known to have lived, at least a millisecond in.
fn end_of(view: &View, artifact: &str) -> u64 {
    view.report
        .processes
        .iter()
        .filter(|record| record.artifact == artifact)
        .map(|record| {
            record
                .process
                .ended_us
                .unwrap_or(0)
                .max(record.process.started_us)
        })
        .max()
        .unwrap_or(0)
        .max(1000)
}

fn svg(view: &View, chart: &Chart, number: usize) -> Markup {
    let title = match view.label(chart.artifact) {
        Some(label) => format!(
            "Processes over time, {}",
            text::safe(&super::cut(label, 60))
        ),
        None => "Processes over time".to_owned(),
    };
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (chart.height()) } role="img" aria-labelledby={ "chart-" (number) } {
            title id={ "chart-" (number) } { (title) "; the table below has the same rows" }
            (lanes(view, chart))
            @for tick in ticks(chart.end_us) {
                line.grid x1=(chart.x(tick)) x2=(chart.x(tick)) y1=(TOP - 4) y2=(chart.height()) {}
                text.axis x=(chart.x(tick)) y=(TOP - 9) text-anchor="middle" { (seconds(tick)) }
            }
            @for (at, row) in chart.rows.iter().enumerate() { (self::row(chart, row, TOP + ROW * at as u64)) }
        }
    }
}

/// A band behind each phase's title, and behind its rows the time it took.
fn lanes(view: &View, chart: &Chart) -> Markup {
    let starts: Vec<(usize, Phase)> = chart
        .rows
        .iter()
        .enumerate()
        .filter_map(|(at, row)| match row {
            Row::Phase { phase, .. } => Some((at, *phase)),
            _ => None,
        })
        .collect();
    let next = |lane: usize| starts.get(lane + 1).map_or(chart.rows.len(), |(at, _)| *at);
    html! {
        @for (lane, (at, phase)) in starts.iter().enumerate() {
            @let y = TOP + ROW * *at as u64;
            rect.lane x="0" y=(y) width=(WIDTH) height=(ROW) {}
            @if let Some((from, to)) = lived(view, chart.artifact, *phase) {
                rect.span x=(chart.x(from)) y=(y + ROW) width=((chart.x(to) - chart.x(from)).max(1))
                    height=(ROW * (next(lane) - at - 1) as u64) {}
            }
        }
    }
}

/// From the first start to the last end of the processes that started in a phase.
fn lived(view: &View, artifact: &str, phase: Phase) -> Option<(u64, u64)> {
    let of_it = || {
        view.report
            .processes
            .iter()
            .filter(|record| record.artifact == artifact && record.process.phase == phase)
            .map(|record| &record.process)
    };
    let from = of_it().map(|process| process.started_us).min()?;
    let to = of_it().filter_map(|process| process.ended_us).max()?;
    Some((from, to.max(from)))
}

fn row(chart: &Chart, row: &Row, y: u64) -> Markup {
    let base = y + 13;
    html! {
        @match row {
            Row::Phase { phase, .. } => text.phase x="6" y=(base) { (phase) },
            Row::Manager { count, branch } => {
                text.quiet x=(indent(branch.guides.len())) y=(base) {
                    (text::count(*count, "process", "processes")) " without package code"
                }
            }
            Row::Process { record, times, branch } => (bar(chart, record, *times, branch.guides.len(), y)),
        }
    }
}

fn bar(chart: &Chart, record: &ProcessRecord, times: usize, depth: usize, y: u64) -> Markup {
    let process = &record.process;
    let (class, mark) = match &process.owner {
        Owner::Package => ("package", "P"),
        Owner::Dependency(_) => ("dependency", "D"),
        Owner::Manager => ("manager", "m"),
        Owner::Harness => ("harness", "h"),
    };
    let repeated = if times > 1 {
        format!(" ×{times}")
    } else {
        String::new()
    };
    let command = text::command_line(&process.argv, 120);
    let room = LABEL_COLUMNS - indent(depth) as usize / 7 - repeated.len();
    let label = format!("{}{repeated}", columns(&command, room));
    let (from, to) = (
        chart.x(process.started_us),
        chart.x(process.ended_us.unwrap_or(chart.end_us)),
    );
    let until = process
        .ended_us
        .map_or_else(|| "the end".to_owned(), text::moment);
    html! {
        text x=(indent(depth)) y=(y + 13) class=[(class == "manager").then_some("quiet")] {
            tspan.phase { (mark) } " " (label)
        }
        rect.bar.(class) x=(from) y=(y + 4) width=(to.saturating_sub(from).max(3)) height=(ROW - 8) rx="2" {
            title { (command) ": " (text::moment(process.started_us)) " to " (until) }
        }
        @if process.ended_us.is_none() { text x=(RIGHT + 2) y=(y + 13) { "→" } }
    }
}

fn indent(depth: usize) -> u64 {
    6 + 10 * depth.min(10) as u64
}

/// The longest beginning that fits into so many columns.
fn columns(label: &str, room: usize) -> String {
    let mut used = 0;
    for (at, c) in label.char_indices() {
        used += c.width().unwrap_or(0);
        if used > room {
            return format!("{}…", &label[..at]);
        }
    }
    label.to_owned()
}

/// At most ten moments at round distances.
fn ticks(end_us: u64) -> impl Iterator<Item = u64> {
    let mut step = 1_000;
    let mut factors = [2, 5, 10].into_iter().cycle();
    let mut unit = 1_000;
    while end_us / step > 8 {
        let factor = factors.next().unwrap_or(10);
        step = unit * factor;
        if factor == 10 {
            unit = step;
        }
    }
    (0..=end_us).step_by(step as usize)
}

fn seconds(us: u64) -> String {
    if us.is_multiple_of(1_000_000) {
        format!("{} s", us / 1_000_000)
    } else {
        format!("{} ms", us / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_round_however_long_a_run_is() {
        for end in [0, 999, 1_000, 8_999, 4_640_000, 600_000_000, 1 << 45] {
            let ticks: Vec<u64> = ticks(end).collect();
            assert!((1..=9).contains(&ticks.len()), "{end}: {ticks:?}");
        }
        assert_eq!(ticks(4_640_000).nth(1), Some(1_000_000));
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(columns("日本語", 6), "日本語");
        assert_eq!(columns("日本語", 5), "日本…");
    }
}
