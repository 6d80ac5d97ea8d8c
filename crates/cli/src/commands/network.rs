//! Files about the network alone: of an analysis, or of a simulation by itself.

use std::io;

use apa_engine::{Analysis, Engine};
use apa_model::{Digest, Flow};
use apa_report::flows::{self, Network};
use apa_store::DirBlobs;

use super::Failure;
use crate::args::NetFormat;

/// What is written about.
pub(super) struct Seen<'a> {
    pub(super) flows: &'a [Flow],
    pub(super) started_at: &'a str,
    pub(super) subject: &'a str,
    pub(super) process: &'a dyn Fn(&Flow) -> Option<String>,
    pub(super) blobs: &'a DirBlobs,
    pub(super) pcapng: &'a dyn Fn() -> io::Result<Vec<u8>>,
}

/// The content of one file.
pub(super) fn document(seen: &Seen<'_>, format: NetFormat) -> Result<Vec<u8>, Failure> {
    let body = |digest: &Digest| std::fs::read(seen.blobs.path(digest)?).ok();
    let network = Network {
        flows: seen.flows,
        started_at: seen.started_at,
        subject: seen.subject,
        process: seen.process,
        body: &body,
    };
    Ok(match format {
        NetFormat::Flows => flows::json_lines(&network).into_bytes(),
        NetFormat::Har => flows::har(&network).into_bytes(),
        NetFormat::Inetsim => flows::text(&network).into_bytes(),
        NetFormat::Network => flows::page(&network).into_bytes(),
        NetFormat::Pcapng => (seen.pcapng)().map_err(Failure::infrastructure)?,
    })
}

/// The same of an analysis: the conversations of all artifacts, numbered through.
pub(super) fn of_analysis(
    engine: &Engine,
    analysis: &Analysis,
    format: NetFormat,
) -> Result<Vec<u8>, Failure> {
    let report = &analysis.report;
    let mut processes = Vec::new();
    let mut all = Vec::new();
    for (id, record) in (1..).zip(&report.flows) {
        let found = report.processes.iter().find(|known| {
            known.artifact == record.artifact && Some(known.process.id) == record.flow.process
        });
        processes.push(found.map(|found| format!("{} ({})", found.process.exe, found.process.pid)));
        all.push(Flow {
            id,
            ..record.flow.clone()
        });
    }
    let process = |flow: &Flow| processes.get(flow.id as usize - 1).cloned().flatten();
    let seen = Seen {
        flows: &all,
        started_at: &report.started_at,
        subject: &report.package.purl,
        process: &process,
        blobs: engine.store().blobs(),
        pcapng: &|| recorded(analysis),
    };
    document(&seen, format)
}

/// The recordings of all artifacts: sections of such a file may follow each other.
fn recorded(analysis: &Analysis) -> io::Result<Vec<u8>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(analysis.run.folder())? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "pcapng")
        {
            files.push(path);
        }
    }
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(std::fs::read(file)?);
    }
    Ok(all)
}
