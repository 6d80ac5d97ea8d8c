use apa_model::VerdictLabel;
use apa_testkit::specimen;
use boon::{Compiler, Schemas};

use crate::support::{analyze, run, sandbox_works, write};

#[test]
fn a_real_report_fits_the_published_schema_and_every_format_shows_it() {
    if !sandbox_works("a_real_report_fits_the_published_schema") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let html = folder.path().join("report.html");
    let text = folder.path().join("report.txt");
    let flags = [
        format!("-ohtml={}", html.display()),
        format!("-otext={}", text.display()),
    ];
    let sample = write(&specimen("npm-fake-output").unwrap());
    let (report, output) = analyze(&sample, &flags.each_ref().map(String::as_str));
    let report = report.unwrap();
    assert_eq!(report.verdict.label, VerdictLabel::Clean);

    let schema = serde_json::from_slice(&run(["schema"]).stdout).unwrap();
    let mut compiler = Compiler::new();
    compiler.add_resource("report.json", schema).unwrap();
    let mut schemas = Schemas::new();
    let index = compiler.compile("report.json", &mut schemas).unwrap();
    let value = serde_json::from_slice(&output.stdout).unwrap();
    schemas
        .validate(&value, index)
        .unwrap_or_else(|error| panic!("{error}"));

    let shown = run(["report", &report.analysis]);
    assert!(shown.status.success());
    for bytes in [
        shown.stdout,
        std::fs::read(html).unwrap(),
        std::fs::read(text).unwrap(),
        output.stdout,
    ] {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(report.package.name.lossy().as_ref()));
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "a control character came through"
        );
    }
}
