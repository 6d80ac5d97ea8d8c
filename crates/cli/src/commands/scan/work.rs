//! The analyses of a scan.

use std::time::{Duration, Instant};

use apa_engine::{Analysis, Engine, Request, Target};
use apa_lockfile::{Merged, Subject};
use apa_model::scan::{ScanFinding, ScanOrigin, ScanStatus, ScannedPackage};
use apa_model::{ExitCode, Hostile, PackageRef};
use futures::StreamExt as _;

use super::super::{Failure, work};
use super::locked;
use super::show::Counter;
use crate::args::Scan;
use crate::config::File;

/// Findings repeated beside a package; its own report has all.
const FINDINGS: usize = 20;
/// Seconds of a day.
const DAY: u64 = 86_400;

/// A package as it is listed, before anything is done about it.
pub(super) fn listed(one: &Merged) -> ScannedPackage {
    let (name, purl, status, reason) = match &one.subject {
        Subject::Package(package) => (
            package.to_string().into(),
            Some(package.purl()),
            ScanStatus::Interrupted,
            None,
        ),
        Subject::Other {
            name,
            reason,
            covered,
        } => {
            let status = if *covered {
                ScanStatus::Covered
            } else {
                ScanStatus::NotAnalysable
            };
            (name.clone(), None, status, Some(reason.clone()))
        }
    };
    ScannedPackage {
        name,
        purl,
        from: one
            .from
            .iter()
            .map(|origin| ScanOrigin {
                file: origin.file.as_str().into(),
                at: origin.at.clone(),
            })
            .collect(),
        places: one.places as u64,
        direct: one.direct,
        dev: one.dev,
        optional: one.optional,
        status,
        reason,
        exit_code: match status {
            ScanStatus::NotAnalysable => ExitCode::Unsupported,
            ScanStatus::Interrupted => ExitCode::Incomplete,
            _ => ExitCode::Clean,
        }
        .into(),
        verdict: None,
        score: None,
        summary: None,
        analysis: None,
        locked_file: None,
        findings: Vec::new(),
        wall_ms: 0,
    }
}

/// What all analyses of a scan share.
pub(super) struct Work<'a> {
    engine: &'a Engine,
    args: &'a Scan,
    file: &'a File,
}

impl<'a> Work<'a> {
    pub(super) fn new(engine: &'a Engine, args: &'a Scan, file: &'a File) -> Self {
        Self { engine, args, file }
    }

    /// Analyses every package that is still to be analysed. May be dropped at any time.
    pub(super) async fn all(
        &self,
        merged: &[Merged],
        packages: &mut [ScannedPackage],
        counter: &Counter,
    ) {
        let todo: Vec<(usize, &Merged, ScannedPackage)> = merged
            .iter()
            .enumerate()
            .filter(|(at, _)| packages[*at].status == ScanStatus::Interrupted)
            .map(|(at, one)| (at, one, packages[at].clone()))
            .collect();
        let mut done = futures::stream::iter(todo)
            .map(|(at, one, listed)| async move {
                counter.begin(&listed);
                (at, self.one(one, listed).await)
            })
            .buffer_unordered(self.jobs());
        while let Some((at, package)) = done.next().await {
            counter.end(at, &package);
            packages[at] = package;
        }
    }

    fn jobs(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        self.args.jobs.map_or(processors.div_ceil(2), usize::from)
    }

    async fn one(&self, one: &Merged, mut package: ScannedPackage) -> ScannedPackage {
        let Subject::Package(name) = &one.subject else {
            return package;
        };
        let started = Instant::now();
        match self.analysis(name, one, &mut package).await {
            Ok(()) => {}
            Err(failure) => {
                package.status = match failure.code {
                    ExitCode::Unsupported => ScanStatus::NotAnalysable,
                    _ => ScanStatus::Failed,
                };
                package.reason = Some(Hostile::from(format!("{:#}", failure.error)));
                package.exit_code = failure.code.into();
            }
        }
        package.wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        package
    }

    async fn analysis(
        &self,
        name: &PackageRef,
        one: &Merged,
        package: &mut ScannedPackage,
    ) -> Result<(), Failure> {
        let request = Request {
            reuse: Some(Duration::from_secs(u64::from(self.args.max_age) * DAY)),
            ..work::request(&self.args.how, self.file, Target::Package(name.clone()))
        };
        let analysis = self
            .engine
            .analyze(&request, std::sync::Arc::new(|_| ()))
            .await?;
        if !analysis.reused {
            work::keep(self.engine, &analysis)?;
        }
        take_over(package, &analysis);
        let blobs = self.engine.store().blobs();
        let files: Vec<_> = analysis
            .report
            .artifacts
            .iter()
            .filter_map(|artifact| blobs.path(&artifact.sha256))
            .collect();
        package.locked_file =
            locked::matches(&one.hashes, &files).map_err(Failure::infrastructure)?;
        if package.locked_file == Some(false) {
            let reason =
                "the list names other files by their hashes than the registry's that were analysed";
            package.reason = Some(Hostile::from(reason));
            package.exit_code =
                work::worse(work::from_number(package.exit_code), ExitCode::Incomplete).into();
        }
        Ok(())
    }
}

fn take_over(package: &mut ScannedPackage, analysis: &Analysis) {
    let report = &analysis.report;
    package.status = if analysis.reused {
        ScanStatus::Known
    } else {
        ScanStatus::Analysed
    };
    package.exit_code = work::code_of(report).into();
    package.verdict = Some(report.verdict.label);
    package.score = Some(report.verdict.score);
    package.summary = Some(report.verdict.summary.clone());
    package.analysis = Some(report.analysis.clone());
    package.reason = report
        .verdict
        .incomplete
        .first()
        .map(|reason| reason.detail.clone());
    package.findings = report
        .findings
        .iter()
        .take(FINDINGS)
        .map(|finding| ScanFinding {
            rule: finding.rule.clone(),
            title: finding.title.clone(),
            severity: finding.severity,
        })
        .collect();
}
