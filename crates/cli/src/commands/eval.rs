//! `apa eval`: how often the static verdict is right on files whose answer is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use apa_model::{ExitCode, VerdictLabel};

use super::Failure;
use super::statics::{milliseconds, read_all};
use crate::args::Eval;
use crate::output;

/// One line of the table of labels.
struct Label {
    path: String,
    malicious: bool,
    arm: String,
    cluster: String,
}

/// What became of one file.
struct Outcome {
    label: Label,
    /// `None`: no verdict.
    verdict: Option<VerdictLabel>,
    rules: BTreeSet<String>,
    cpu_ms: f64,
}

impl Outcome {
    fn flagged(&self) -> bool {
        self.verdict >= Some(VerdictLabel::Suspicious)
    }
}

pub(crate) fn run(args: &Eval) -> Result<ExitCode, Failure> {
    let text = fs::read_to_string(&args.labels)
        .with_context(|| format!("cannot read {}", args.labels.display()))
        .map_err(Failure::usage)?;
    let labels = labels(&text).map_err(Failure::usage)?;
    let paths: Vec<PathBuf> = labels
        .iter()
        .map(|label| args.folder.join(&label.path))
        .collect();
    let mut outcomes = Vec::new();
    let mut rest = labels.into_iter();
    read_all(&paths, args.jobs, |_, reading| {
        if let Some(label) = rest.next() {
            let reading = reading.as_ref().ok();
            outcomes.push(Outcome {
                label,
                verdict: reading.map(|reading| reading.verdict.label),
                rules: reading
                    .iter()
                    .flat_map(|reading| &reading.findings)
                    .map(|finding| finding.rule.clone())
                    .collect(),
                cpu_ms: reading.map(milliseconds).unwrap_or_default(),
            });
        }
        true
    });
    output::print(&page(&outcomes)).map_err(Failure::infrastructure)?;
    Ok(ExitCode::Clean)
}

/// `path,label[,arm[,cluster]]`; the first line may be a heading.
fn labels(text: &str) -> anyhow::Result<Vec<Label>> {
    let mut out = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let (path, label) = match cells.as_slice() {
            [""] => continue,
            [_, label, ..] if at == 0 && *label == "label" => continue,
            [path, label, ..] => (*path, *label),
            _ => bail!("line {}: write path,label[,arm[,cluster]]", at + 1),
        };
        let malicious = match label {
            "malicious" => true,
            "benign" => false,
            _ => bail!(
                "line {}: the label is malicious or benign, not {label:?}",
                at + 1
            ),
        };
        let cell = |at: usize, default: &str| match cells.get(at) {
            Some(text) if !text.is_empty() => (*text).to_owned(),
            _ => default.to_owned(),
        };
        out.push(Label {
            path: path.to_owned(),
            malicious,
            arm: cell(2, "all"),
            cluster: cell(3, path),
        });
    }
    if out.is_empty() {
        bail!("the table names no files");
    }
    Ok(out)
}

fn page(outcomes: &[Outcome]) -> String {
    let mut out = String::from(
        "| arm | label | files | flagged | malicious | rate | 95 % interval | clusters | no verdict |\n|---|---|--:|--:|--:|--:|---|--:|--:|\n",
    );
    let mut arms: BTreeMap<(&str, bool), Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        let key = (outcome.label.arm.as_str(), outcome.label.malicious);
        arms.entry(key).or_default().push(outcome);
    }
    for ((arm, malicious), of) in &arms {
        out.push_str(&row(arm, *malicious, of));
    }
    out.push_str(&costs(outcomes));
    out.push_str(&rules(outcomes));
    out.push_str(&wrong(outcomes));
    out
}

fn row(arm: &str, malicious: bool, of: &[&Outcome]) -> String {
    let flagged = of.iter().filter(|outcome| outcome.flagged()).count();
    let convicted = of
        .iter()
        .filter(|outcome| outcome.verdict == Some(VerdictLabel::Malicious))
        .count();
    let mut clusters: BTreeMap<&str, bool> = BTreeMap::new();
    for outcome in of {
        *clusters.entry(&outcome.label.cluster).or_default() |= outcome.flagged();
    }
    let caught = clusters.values().filter(|caught| **caught).count();
    let silent = of
        .iter()
        .filter(|outcome| outcome.verdict.is_none())
        .count();
    let (low, high) = wilson(flagged, of.len());
    let label = if malicious { "malicious" } else { "benign" };
    format!(
        "| {arm} | {label} | {} | {flagged} | {convicted} | {:.1} % | {:.1}–{:.1} % | {caught} of {} | {silent} |\n",
        of.len(),
        100.0 * flagged as f64 / of.len() as f64,
        100.0 * low,
        100.0 * high,
        clusters.len(),
    )
}

/// Wilson's interval of a share, at 95 %.
fn wilson(hits: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (of as f64, 1.959_964);
    let share = hits as f64 / n;
    let scale = 1.0 + z * z / n;
    let middle = (share + z * z / (2.0 * n)) / scale;
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

fn costs(outcomes: &[Outcome]) -> String {
    let mut costs: Vec<f64> = outcomes.iter().map(|outcome| outcome.cpu_ms).collect();
    costs.sort_by(f64::total_cmp);
    let at = |share: f64| {
        costs
            .get(((costs.len() - 1) as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    let (median, most, worst) = (at(0.5), at(0.95), at(1.0));
    format!(
        "\nProcessor time a package: median {median:.1} ms, 95 % below {most:.1} ms, worst {worst:.1} ms.\n"
    )
}

/// Which rules earned and which hurt.
fn rules(outcomes: &[Outcome]) -> String {
    let mut counts: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for outcome in outcomes {
        for rule in &outcome.rules {
            let count = counts.entry(rule).or_default();
            match outcome.label.malicious {
                true => count.0 += 1,
                false => count.1 += 1,
            }
            count.2 += usize::from(outcome.label.malicious && outcome.rules.len() == 1);
        }
    }
    let mut out =
        String::from("\n| rule | on malicious | on benign | alone |\n|---|--:|--:|--:|\n");
    for (rule, (good, bad, alone)) in counts {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {rule} | {good} | {bad} | {alone} |");
    }
    out
}

fn wrong(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for (title, malicious) in [("Missed", true), ("False alarms", false)] {
        let wrong: Vec<String> = outcomes
            .iter()
            .filter(|outcome| {
                outcome.label.malicious == malicious && outcome.flagged() != malicious
            })
            .map(|outcome| {
                let rules: Vec<&str> = outcome.rules.iter().map(String::as_str).collect();
                format!(
                    "- {} {}",
                    apa_model::Hostile::from(outcome.label.path.as_str()),
                    rules.join(", ")
                )
            })
            .collect();
        if !wrong.is_empty() {
            let _ = write!(out, "\n{title}:\n\n{}\n", wrong.join("\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_wide_for_few_and_never_leaves_the_unit() {
        let (low, high) = wilson(10, 10);
        assert!(low > 0.7 && low < 0.75 && high > 0.999, "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn a_table_has_a_heading_or_none_and_wrong_labels_are_named() {
        let read = |text| {
            labels(text)
                .map(|labels| labels.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            read("path,label,arm\na.tgz,malicious,x\n\nb.whl,benign\n"),
            Ok(2)
        );
        assert!(read("a.tgz,bad").unwrap_err().starts_with("line 1"));
        assert!(read("").is_err());
    }
}
