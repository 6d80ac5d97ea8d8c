//! A scan as a table: worst first, escaped, bounded.

use apa_model::scan::{Scan, ScanFinding, ScanOrigin, ScanSource, ScanStatus, ScannedPackage};
use apa_model::{Hostile, Severity, VerdictLabel};
use apa_report::{Style, scan_json, scan_line, scan_terminal};

const PLAIN: Style = Style {
    color: false,
    width: 100,
    unicode: true,
};

fn package(name: &str, status: ScanStatus, verdict: Option<VerdictLabel>) -> ScannedPackage {
    ScannedPackage {
        name: name.into(),
        purl: None,
        from: vec![ScanOrigin {
            file: "package-lock.json".into(),
            at: "node_modules/x".into(),
        }],
        places: 2,
        direct: None,
        dev: false,
        optional: false,
        status,
        reason: None,
        exit_code: 0,
        verdict,
        score: verdict.map(|_| 7),
        summary: None,
        analysis: None,
        locked_file: None,
        findings: Vec::new(),
        wall_ms: 1,
    }
}

fn sample() -> Scan {
    let mut scan = Scan::new("2026-01-01T00:00:00Z".into());
    scan.sources.push(ScanSource {
        path: "package-lock.json".into(),
        kind: Some("package-lock.json".into()),
        entries: 4,
        gaps: vec!["line 3: \u{1b}[2J is included but cannot be read".into()],
    });
    let clean = package("npm:a@1", ScanStatus::Analysed, Some(VerdictLabel::Clean));
    let mut bad = package("npm:b@1", ScanStatus::Known, Some(VerdictLabel::Malicious));
    bad.findings.push(ScanFinding {
        rule: "canary-exfiltrated".into(),
        title: "A planted secret was sent out".into(),
        severity: Severity::Critical,
    });
    let mut other = package("\u{202e}evil", ScanStatus::NotAnalysable, None);
    other.reason = Some(Hostile::from("comes from a repository: \n\u{1b}]0;x"));
    scan.packages = vec![clean, other, bad];
    scan.exit_code = 1;
    scan
}

#[test]
fn the_worst_comes_first_and_everything_is_escaped() {
    insta::assert_snapshot!(scan_terminal(&sample(), &PLAIN));
}

#[test]
fn many_clean_packages_are_only_counted_and_many_others_are_cut() {
    let mut scan = sample();
    let clean = package("npm:c@1", ScanStatus::Analysed, Some(VerdictLabel::Clean));
    let failed = package("npm:d@1", ScanStatus::Failed, None);
    scan.packages.extend(vec![clean; 3000]);
    scan.packages.extend(vec![failed; 3000]);
    let text = scan_terminal(&scan, &PLAIN);
    assert!(text.lines().count() < 230, "{}", text.lines().count());
    assert!(
        text.contains("3,001 clean") && text.contains("… and 2,802 more"),
        "{text}"
    );
}

#[test]
fn a_line_of_json_is_one_line_without_control_characters() {
    let scan = sample();
    for package in &scan.packages {
        let line = scan_line(package);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            !line
                .trim_end()
                .chars()
                .any(|c| c.is_control() || c == '\u{202e}')
        );
        let read: ScannedPackage = serde_json::from_str(&line).expect("it reads again");
        assert_eq!(&read, package);
    }
    let read: Scan = serde_json::from_str(&scan_json(&scan)).expect("it reads again");
    assert_eq!(read, scan);
}
