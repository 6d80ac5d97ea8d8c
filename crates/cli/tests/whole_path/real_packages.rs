use std::collections::VecDeque;
use std::sync::Mutex;

use apa_model::report::Report;

use crate::support::{run, sandbox_works};

/// Popular packages of every shape: pure, native, with a hook that runs a downloaded program, several artifacts,
/// only a source distribution, only a wheel, crates, a Java library, a plugin for Maven, annotation processors.
const PACKAGES: [&str; 20] = [
    "npm:express@5.1.0",
    "npm:lodash@4.17.21",
    "npm:esbuild@0.25.0",
    "npm:typescript@5.8.2",
    "npm:chalk@5.4.1",
    "pypi:requests@2.32.3",
    "pypi:flask@3.1.0",
    "pypi:pyyaml@6.0.2",
    "pypi:numpy@2.2.4",
    "pypi:docopt@0.6.2",
    "pypi:shiboken6@6.9.3",
    "cargo:hashbrown@0.15.2",
    "cargo:tokio@1.44.1",
    "cargo:thiserror-impl@2.0.12",
    "cargo:percent-encoding@2.3.1",
    "maven:org.apache.commons:commons-lang3@3.17.0",
    "maven:com.google.guava:guava@33.4.8-jre",
    "maven:org.apache.maven.plugins:maven-help-plugin@3.4.0",
    "maven:org.projectlombok:lombok@1.18.38",
    "maven:com.google.auto.value:auto-value@1.11.0",
];

#[test]
fn popular_packages_are_clean_and_complete() {
    if !sandbox_works("popular_packages_are_clean_and_complete") {
        return;
    }
    let waiting = Mutex::new(VecDeque::from(PACKAGES));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(package) = { waiting.lock().unwrap().pop_front() } {
                    failed.lock().unwrap().extend(problem(package));
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

fn problem(package: &str) -> Option<String> {
    let output = run(["analyze", package, "--format", "json"]);
    let Ok(report) = serde_json::from_slice::<Report>(&output.stdout) else {
        return Some(format!(
            "{package}: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    };
    eprintln!(
        "{package:<28} {:>6.1} s  {}",
        report.wall_ms as f32 / 1000.0,
        report.verdict.label
    );
    let fine = output.status.code() == Some(0) && report.complete && report.findings.is_empty();
    (!fine).then(|| {
        format!(
            "{package}: {} {:?} {:?}",
            report.verdict.label, report.findings, report.verdict.incomplete
        )
    })
}
