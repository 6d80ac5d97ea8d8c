//! The JSON form is a contract: it fits the published schema and its members keep their names.

mod fixture;

use apa_model::report::{Report, json_schema};
use apa_report::json;
use serde_json::Value;

fn reports() -> [(&'static str, Report); 5] {
    [
        ("clean", fixture::clean()),
        ("malicious", fixture::malicious()),
        ("incomplete", fixture::incomplete()),
        ("hostile", fixture::hostile()),
        ("huge", fixture::huge(300)),
    ]
}

#[test]
fn every_report_fits_the_schema() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler
        .add_resource("report.json", json_schema())
        .expect("the schema is a resource");
    let schema = compiler
        .compile("report.json", &mut schemas)
        .expect("the schema is valid");
    for (name, report) in reports() {
        let value: Value = serde_json::from_str(&json(&report)).expect("the report is JSON");
        if let Err(error) = schemas.validate(&value, schema) {
            panic!("{name}: {error:#}");
        }
    }
    let mut wrong = serde_json::to_value(fixture::clean()).expect("a report serialises");
    wrong["verdict"]["label"] = "fine".into();
    assert!(
        schemas.validate(&wrong, schema).is_err(),
        "the schema accepts an unknown verdict"
    );
}

#[test]
fn promised_members_have_their_names() {
    let report: Value =
        serde_json::from_str(&json(&fixture::malicious())).expect("the report is JSON");
    for path in [
        "schema_version",
        "exit_code",
        "complete",
        "package.purl",
        "package.ecosystem",
        "package.name",
        "package.version",
        "artifact.sha256",
        "artifact.size",
        "artifact.filename",
        "artifacts.0.sha256",
        "verdict.label",
        "verdict.score",
        "verdict.summary",
        "verdict.incomplete",
        "findings.0.rule",
        "findings.0.title",
        "findings.0.severity",
        "findings.0.confidence",
        "findings.0.attack.0",
        "findings.0.phase",
        "findings.0.artifact",
        "findings.0.evidence.0.kind",
        "phases.0.name",
        "phases.0.artifact",
        "phases.0.status",
        "phases.0.wall_ms",
        "phases.0.limits_hit",
        "capabilities.0.capability",
        "facts.0.phase",
        "facts.0.owner",
        "facts.0.action",
        "facts.0.object",
        "facts.0.outcome",
        "counts.events",
        "counts.lost",
        "counts.processes",
        "counts.flows",
        "counts.syscalls",
        "processes.0.id",
        "files.0.path",
        "flows.0.destination",
        "dropped.0.sha256",
        "canaries.0.kind",
        "canaries.0.planted_at",
        "canaries.0.read",
        "canaries.0.exfiltrated",
        "sandbox.isolation",
        "sandbox.image",
        "sandbox.persona",
        "sandbox.limits.memory_bytes",
    ] {
        let pointer = format!("/{}", path.replace('.', "/"));
        assert!(report.pointer(&pointer).is_some(), "{path} is missing");
    }
}

#[test]
fn reading_it_back_gives_the_same_report() {
    for (name, report) in reports() {
        let text = json(&report);
        let back: Report = serde_json::from_str(&text).expect("the report is JSON");
        assert_eq!(back, report, "{name}");
        assert_eq!(
            json(&back),
            text,
            "{name} is not written the same way twice"
        );
    }
}

#[test]
fn it_can_be_shown_on_a_terminal_and_ends_with_a_newline() {
    let text = json(&fixture::hostile());
    assert!(text.ends_with("}\n"));
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(lines.iter().all(|line| !line.chars().any(char::is_control)));
    assert!(!text.contains(['\u{202e}', '\u{200b}']));
}
