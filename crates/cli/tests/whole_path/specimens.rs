use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use apa_model::report::Report;
use apa_model::{Hostile, IncompleteCode, Severity, VerdictLabel};
use apa_testkit::{Specimen, specimens};

use crate::support::{Registry, analyze, sandbox_works, write};

/// Problems of one report against what its specimen must give; empty when all is well.
fn problems(specimen: &Specimen, report: &Report, exit: Option<i32>) -> Vec<String> {
    let expect = &specimen.expect;
    let mut problems = Vec::new();
    if !expect.labels.contains(&report.verdict.label) {
        problems.push(format!(
            "verdict {} ({})",
            report.verdict.label, report.verdict.summary
        ));
    }
    for rule in expect.rules {
        match report.findings.iter().find(|finding| finding.rule == *rule) {
            None => problems.push(format!("rule {rule} found nothing")),
            Some(finding) if finding.evidence.is_empty() => {
                problems.push(format!("{rule} has no evidence"))
            }
            Some(finding) if !blames(expect.dependency, &finding.explanation) => {
                problems.push(format!("{rule} blames another: {}", finding.explanation))
            }
            Some(finding) if !tells(expect.told, &finding.explanation) => problems.push(format!(
                "{rule} names another hook: {}",
                finding.explanation
            )),
            Some(_) => {}
        }
    }
    let codes: Vec<IncompleteCode> = report
        .verdict
        .incomplete
        .iter()
        .map(|reason| reason.code)
        .collect();
    for code in expect.incomplete {
        if !codes.contains(code) {
            problems.push(format!("{code:?} is not among the reasons {codes:?}"));
        }
    }
    if expect.incomplete.is_empty() && !codes.is_empty() {
        problems.push(format!(
            "unexpectedly incomplete: {:?}",
            report.verdict.incomplete
        ));
    }
    let clean = expect.labels == [VerdictLabel::Clean];
    if clean
        && report.findings.iter().any(|finding| {
            finding.severity > Severity::Info && !expect.rules.contains(&finding.rule.as_str())
        })
    {
        problems.push(format!("findings: {:?}", report.findings));
    }
    let code = match report.verdict.label {
        VerdictLabel::Clean => 0,
        VerdictLabel::Incomplete => 3,
        VerdictLabel::Suspicious | VerdictLabel::Malicious => 1,
    };
    if exit != Some(code) || i32::from(report.exit_code) != code {
        problems.push(format!(
            "exit code {exit:?}, in the report {}, not {code}",
            report.exit_code
        ));
    }
    problems
}

fn tells(words: Option<&str>, explanation: &Hostile) -> bool {
    words.is_none_or(|words| explanation.lossy().contains(words))
}

fn blames(dependency: Option<&str>, explanation: &Hostile) -> bool {
    let told = explanation.lossy();
    match dependency {
        Some(name) => told.starts_with(&format!("Its dependency {name} ")),
        None => !told.starts_with("Its dependency "),
    }
}

/// How many analyses go on at once: none may disturb another.
const AT_ONCE: usize = 2;

#[test]
fn every_specimen_gives_what_it_must() {
    if !sandbox_works("every_specimen_gives_what_it_must") {
        return;
    }
    // A comma separates parts of names.
    let only = std::env::var("APA_SPECIMEN").unwrap_or_default();
    let wanted: VecDeque<_> = specimens()
        .into_iter()
        .filter(|one| only.split(',').any(|part| one.name.contains(part)))
        .collect();
    assert!(!wanted.is_empty(), "no specimen's name holds {only}");
    let waiting = Mutex::new(wanted);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(specimen) = { waiting.lock().unwrap().pop_front() } {
                    // Before the lock, or one check would wait for another.
                    let problem = check(&specimen);
                    failed.lock().unwrap().extend(problem);
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

pub(crate) fn check(specimen: &Specimen) -> Option<String> {
    let started = Instant::now();
    let registry = Registry::serving(specimen);
    let flags: Vec<&str> = registry.iter().flat_map(Registry::flags).collect();
    let (report, output) = analyze(&write(specimen), &flags);
    let (label, problems) = match report {
        Ok(report) => (
            report.verdict.label.to_string(),
            problems(specimen, &report, output.status.code()),
        ),
        Err(problem) => ("none".to_owned(), vec![problem]),
    };
    eprintln!(
        "{:<40} {:>6.1} s  {label}",
        specimen.name,
        started.elapsed().as_secs_f32()
    );
    (!problems.is_empty())
        .then(|| format!("{}: {}", specimen.name, Hostile::from(problems.join("; "))))
}
