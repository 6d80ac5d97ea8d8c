//! A scan as one table: what is bad first, what is clean only counted when there is much of it.

use apa_model::scan::{Scan, ScanSource, ScanStatus, ScannedPackage};
use apa_model::{ExitCode, VerdictLabel};

use super::screen::{Paint, Screen, Span, dim, plain};
use crate::{Style, text};

/// Most lines of the table.
const ROWS: usize = 200;
/// Most clean packages that get a line of their own.
const CLEAN_ROWS: usize = 40;
/// Most gaps of the lists that are shown.
const GAPS: usize = 20;
/// Findings named beside a package.
const FINDINGS: usize = 3;
/// Width of the first column.
const STATUS: usize = 16;

pub(crate) fn render(scan: &Scan, style: &Style) -> String {
    let mut screen = Screen::new(style);
    let mut packages: Vec<&ScannedPackage> = scan.packages.iter().collect();
    packages.sort_by_key(|one| std::cmp::Reverse((rank(one), one.score)));
    let (clean, telling): (Vec<_>, Vec<_>) = packages.into_iter().partition(|one| rank(one) == 0);
    for package in telling.iter().take(ROWS) {
        row(&mut screen, package);
    }
    screen.more(0, telling.len().saturating_sub(ROWS));
    let shown = if clean.len() <= CLEAN_ROWS {
        clean.len()
    } else {
        0
    };
    for package in &clean[..shown] {
        row(&mut screen, package);
    }
    gaps(&mut screen, &scan.sources);
    totals(&mut screen, scan);
    screen.finish()
}

/// What comes first.
fn rank(package: &ScannedPackage) -> u8 {
    match (package.verdict, package.status) {
        (Some(VerdictLabel::Malicious), _) => 7,
        (Some(VerdictLabel::Suspicious), _) => 6,
        _ if package.locked_file == Some(false) => 5,
        (Some(VerdictLabel::Incomplete), _) => 4,
        (_, ScanStatus::Failed) => 3,
        (_, ScanStatus::Interrupted) => 2,
        (_, ScanStatus::NotAnalysable) => 1,
        _ => 0,
    }
}

fn row(screen: &mut Screen, package: &ScannedPackage) {
    let (word, paint) = match (package.verdict, package.status) {
        (Some(label), _) => {
            let paint = match label {
                VerdictLabel::Clean => Paint::Good,
                VerdictLabel::Incomplete | VerdictLabel::Suspicious => Paint::Warn,
                VerdictLabel::Malicious => Paint::Bad,
            };
            let score = package.score.unwrap_or_default();
            (format!("{} {score}", text::name(&label)), paint)
        }
        (None, ScanStatus::Covered | ScanStatus::Unchanged) => {
            (text::words(&package.status), Paint::Dim)
        }
        (None, status) => (text::words(&status), Paint::Warn),
    };
    let mut line = vec![
        Span::new(format!("{word:STATUS$}"), paint),
        Span::new(text::shown(&package.name, 100), Paint::Name),
    ];
    let mut notes = Vec::new();
    notes.extend(from(package));
    if package.dev {
        notes.push("dev".to_owned());
    }
    if package.status == ScanStatus::Known {
        notes.push("known".to_owned());
    }
    if !notes.is_empty() {
        line.push(dim(format!("  {}", notes.join(", "))));
    }
    screen.line(0, &line);
    for finding in package.findings.iter().take(FINDINGS) {
        screen.line(
            STATUS,
            &[plain(&finding.title), dim(format!("  {}", finding.rule))],
        );
    }
    if let Some(reason) = &package.reason {
        screen.line(STATUS, &[dim(text::shown(reason, 300))]);
    }
}

/// The file it is listed in, with how many other places there are.
fn from(package: &ScannedPackage) -> Option<String> {
    let first = package.from.first()?;
    let file = text::shown(&first.file, 60);
    Some(match package.places {
        0 | 1 => file,
        places => format!("{file} +{}", places - 1),
    })
}

fn gaps(screen: &mut Screen, sources: &[ScanSource]) {
    let all: Vec<_> = sources
        .iter()
        .flat_map(|source| source.gaps.iter().map(move |gap| (source, gap)))
        .collect();
    if all.is_empty() {
        return;
    }
    screen.heading("Not read", text::count(all.len(), "gap", "gaps"));
    for (source, gap) in all.iter().take(GAPS) {
        let path = text::shown(&source.path, 80);
        screen.paragraph(
            2,
            &Span::new(format!("{path}: {}", text::shown(gap, 300)), Paint::Warn),
            3,
        );
    }
    screen.more(2, all.len().saturating_sub(GAPS));
}

fn totals(screen: &mut Screen, scan: &Scan) {
    let of = |label: VerdictLabel| {
        let with = scan
            .packages
            .iter()
            .filter(|one| one.verdict == Some(label));
        (with.count(), text::name(&label))
    };
    let verdicts = [
        of(VerdictLabel::Malicious),
        of(VerdictLabel::Suspicious),
        of(VerdictLabel::Incomplete),
        of(VerdictLabel::Clean),
    ];
    let others = [
        ScanStatus::Failed,
        ScanStatus::Interrupted,
        ScanStatus::NotAnalysable,
        ScanStatus::Covered,
        ScanStatus::Unchanged,
    ];
    let others = others.map(|status| {
        let with = scan.packages.iter().filter(|one| one.status == status);
        (with.count(), text::words(&status))
    });
    let counts: Vec<String> = verdicts
        .into_iter()
        .chain(others)
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", text::number(count as u64)))
        .collect();
    screen.blank();
    let paint = match scan.exit_code {
        0 => Paint::Good,
        code if code == u8::from(ExitCode::Findings) => Paint::Bad,
        _ => Paint::Warn,
    };
    let packages = text::count(scan.packages.len(), "package", "packages");
    let lists = text::count(scan.sources.len(), "list", "lists");
    screen.line(
        0,
        &[
            Span::new(format!("{packages} of {lists}"), paint),
            plain(format!(": {}", counts.join(", "))),
            dim(format!("  {}", text::millis(scan.wall_ms))),
        ],
    );
}
