//! What both the terminal and the page show, drawn from a report once.

mod network;
mod tree;

use std::collections::HashMap;

use apa_model::{
    ArtifactKind, ProcessId, Severity,
    report::{ProcessRecord, Report},
};

pub(crate) use network::{Destination, Network};
pub(crate) use tree::{Branch, Row, Rows, Tree};

use crate::text;

/// A report with the look-ups that every section needs.
pub(crate) struct View<'a> {
    pub(crate) report: &'a Report,
    processes: HashMap<(&'a str, ProcessId), &'a ProcessRecord>,
    labels: HashMap<&'a str, String>,
}

impl<'a> View<'a> {
    pub(crate) fn new(report: &'a Report) -> Self {
        let processes = report
            .processes
            .iter()
            .map(|record| ((record.artifact.as_str(), record.process.id), record))
            .collect();
        Self {
            report,
            processes,
            labels: labels(report),
        }
    }

    /// What tells an artifact from the others, in a word; `None` when there is only one.
    pub(crate) fn label(&self, artifact: &str) -> Option<&str> {
        if self.report.artifacts.len() < 2 {
            return None;
        }
        self.labels.get(artifact).map(String::as_str)
    }

    /// `node #12`: a process in a word.
    pub(crate) fn process(&self, artifact: &str, id: ProcessId) -> String {
        match self.processes.get(&(artifact, id)) {
            Some(record) => format!("{} #{}", text::base_name(&record.process.exe, 40), id.0),
            None => format!("#{}", id.0),
        }
    }

    /// Number of findings per severity, worst first, none that is zero.
    pub(crate) fn severities(&self) -> Vec<(Severity, usize)> {
        use Severity::{Critical, High, Info, Low, Medium};
        [Critical, High, Medium, Low, Info]
            .into_iter()
            .map(|severity| {
                let of_it = |finding: &&apa_model::Finding| finding.severity == severity;
                (severity, self.report.findings.iter().filter(of_it).count())
            })
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Number of processes that ran package code.
    pub(crate) fn package_processes(&self) -> usize {
        self.report
            .processes
            .iter()
            .filter(|record| record.process.owner.is_package_code())
            .count()
    }
}

/// The kind where it is unique, else the file name.
fn labels(report: &Report) -> HashMap<&str, String> {
    report
        .artifacts
        .iter()
        .map(|artifact| {
            let same = |other: &&apa_model::Artifact| other.kind == artifact.kind;
            let label = if report.artifacts.iter().filter(same).count() == 1 {
                kind(artifact.kind).to_owned()
            } else {
                text::shown(&artifact.filename, 60)
            };
            (artifact.sha256.as_str(), label)
        })
        .collect()
}

/// What an artifact is, in words.
pub(crate) fn kind(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::NpmTarball => "npm package",
        ArtifactKind::ComposerPackage => "composer package",
        ArtifactKind::Apk => "apk package",
        other => other.as_str(),
    }
}
